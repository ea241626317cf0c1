package settings

import "encoding/json"

// effort is what it takes to check a document, in evaluations: a value held to one schema. Mostly
// that takes 0.3 µs, and 1.5 µs with 0.7 KB when it finds something wrong.
const (
	// maxEffort is 70 ms at worst, and 50 MB. Common documents take 20 to 200; one of 64 KiB that
	// is nothing but digits has 32,768 values, and may have each held to two schemas.
	maxEffort = 66_000
	// maxNesting is how deep evaluations may be nested: some 15 MB of stack.
	maxNesting = 10_000
)

// affordable tells whether the document can be checked with maxEffort. It goes the same ways as the
// validator, only faster (20 ns for each evaluation) and never giving up on one early.
func (s *Schema) affordable(document any) bool {
	e := effort{left: maxEffort}
	e.value(s.effort, document)
	return e.left >= 0
}

type effort struct {
	left int
	// evaluations, one for the sake of the other, or of a value in the value of the other
	nested int
}

func (e *effort) value(r *rule, value any) {
	// The validator looks through them for cycles, and notes with each fault where it is.
	const nestedOfOne = 40
	if e.nested++; e.nested > maxNesting {
		e.left = -1
	}
	e.left -= r.weight + e.nested/nestedOfOne
	if e.left >= 0 {
		e.content(r, value)
	}
	for _, next := range r.inPlace {
		if e.left < 0 {
			break
		}
		e.value(next, value)
	}
	e.nested--
}

func (e *effort) content(r *rule, value any) {
	switch v := value.(type) {
	case string:
		e.text(r, v)
	case map[string]any:
		e.children(r, v, len(v))
		e.object(r, v)
	case []any:
		e.children(r, v, len(v))
		e.array(r, v)
	}
}

// text is for a string, which is copied to be measured.
func (e *effort) text(r *rule, text string) {
	const measuredOfOne = 100
	if r.measured {
		e.left -= len(text) / measuredOfOne
	}
	if r.whole {
		e.left -= bulk(text) / bulkOfOne
	}
	if r.pattern != nil {
		e.match(r.pattern, text)
	}
}

// match is for a text that is held to a pattern.
func (e *effort) match(pattern *expression, text string) {
	const statesOfOne = 20 // 12 ns each at worst, for each byte
	e.left -= 1 + len(text)*pattern.states/statesOfOne
}

// children is what is to be done with those of an object or array as a whole.
func (e *effort) children(r *rule, value any, n int) {
	const listedOfOne = 2
	if r.whole {
		e.left -= bulk(value) / bulkOfOne
	}
	if r.upkeep {
		e.left -= n / listedOfOne
	}
}

// bulk is what comparing a value as a whole takes, in bytes: those that it is spelt with (see
// canonical) and some for finding each value. It takes a nanosecond for each, and as many bytes of
// garbage or twice.
func bulk(value any) int {
	const ofEach = 64
	n := ofEach
	switch v := value.(type) {
	case string:
		n += len(v)
	case json.Number:
		n += len(v)
	case map[string]any:
		for key, child := range v {
			n += len(key) + bulk(child)
		}
	case []any:
		for _, child := range v {
			n += bulk(child)
		}
	}
	return n
}

// bulkOfOne is as much work as one evaluation.
const bulkOfOne = 128

func (e *effort) object(r *rule, object map[string]any) {
	if r.properties == nil && r.patterns == nil && r.additional == nil && r.leftKeys == nil &&
		r.names == nil {
		return
	}
	for key, child := range object {
		if e.left < 0 {
			return
		}
		e.member(r, key, child)
	}
}

func (e *effort) member(r *rule, key string, child any) {
	next := r.properties[key]
	if next != nil {
		e.value(next, child)
	}
	for _, pattern := range r.patterns {
		if e.left < 0 {
			return
		}
		if e.match(pattern.name, key); pattern.name.MatchString(key) {
			next = pattern.rule
			e.value(next, child)
		}
	}
	if next == nil && r.additional != nil {
		e.value(r.additional, child)
	}
	if r.leftKeys != nil {
		e.value(r.leftKeys, child)
	}
	if r.names != nil {
		e.value(r.names, key)
	}
}

func (e *effort) array(r *rule, array []any) {
	if r.prefix == nil && r.items == nil && r.contains == nil && r.leftItems == nil {
		return
	}
	for i, child := range array {
		if e.left < 0 {
			return
		}
		e.element(r, i, child)
	}
}

func (e *effort) element(r *rule, i int, child any) {
	if i < len(r.prefix) {
		e.value(r.prefix[i], child)
	} else if r.items != nil {
		e.value(r.items, child)
	}
	for _, next := range []*rule{r.contains, r.leftItems} {
		if next != nil {
			e.value(next, child)
		}
	}
}
