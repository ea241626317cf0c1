package settings

import "fmt"

// effort is what it takes to check a document, in evaluations: a value held to one schema, about 0.3 µs.
const (
	// maxEffort is 0.1 to 0.2 s at worst, and no more than 64 MB of what all is wrong with the document.
	maxEffort = 400_000
	// maxInPlace is what a schema may make of one value without going into it, even a null: 3 ms at worst. It
	// takes over 64 KiB to say so much without repetition, but a few hundred bytes to say "twice the one
	// before" thirty times.
	maxInPlace = 10_000
	// maxNesting is how deep evaluations may be nested: some 15 MB of stack.
	maxNesting = 10_000
)

// bound refuses schemas that no document could be held to in a bounded time.
func (s *source) bound(all []*rule) error {
	b := bounding{total: map[*rule]int{}}
	for _, one := range all {
		b.fixed(one)
		if b.cycle != nil {
			return fmt.Errorf("%w: %s leads back to itself without going into the document", ErrSchema, s.place(b.cycle.schema))
		}
	}
	clear(b.total)
	for _, one := range all {
		if b.any(one) > maxInPlace {
			return fmt.Errorf("%w: %s would hold each value to over %d schemas", ErrSchema, s.place(one.schema), maxInPlace)
		}
	}
	return nil
}

// bounding adds up the evaluations of one value.
type bounding struct {
	total map[*rule]int // -1: it is being added up
	cycle *rule
}

const beingAdded = -1

// fixed follows what always leads to the same rule, and finds cycles.
func (b *bounding) fixed(one *rule) {
	switch total, known := b.total[one]; {
	case known && total == beingAdded:
		b.cycle = one
		return
	case known:
		return
	}
	b.total[one] = beingAdded
	for _, next := range one.inPlace {
		if b.fixed(next); b.cycle != nil {
			return
		}
	}
	b.total[one] = 0
}

// any follows "$dynamicRef" as well. Where that leads in circles it may in truth lead elsewhere: the validator
// notices, and so does the effort of a document.
func (b *bounding) any(one *rule) int {
	if total, known := b.total[one]; known {
		return max(total, 0)
	}
	b.total[one] = beingAdded
	total := one.weight
	for _, nexts := range [][]*rule{one.inPlace, one.dynamic} {
		for _, next := range nexts {
			total = min(total+b.any(next), maxInPlace+1)
		}
	}
	b.total[one] = total
	return total
}

// affordable tells whether the document can be checked with maxEffort. It goes the same ways as the validator,
// only faster (20 ns for each evaluation) and never giving up on one early.
func (s *Schema) affordable(document any) bool {
	e := effort{left: maxEffort}
	e.value(s.effort, document)
	return e.left >= 0
}

type effort struct {
	left   int
	nested int
	chain  int // evaluations of the same value, each for the sake of the one before
	depth  int // of the value
}

func (e *effort) value(r *rule, value any) {
	const (
		levelsOfOne = 8  // where the value is, is noted with each fault
		chainOfOne  = 64 // looked through for cycles
	)
	if e.nested++; e.nested > maxNesting {
		e.left = -1
	}
	e.left -= r.weight + e.depth/levelsOfOne + e.chain/chainOfOne
	if e.left >= 0 {
		e.content(r, value)
		e.inPlace(r, value)
	}
	e.nested--
}

func (e *effort) inPlace(r *rule, value any) {
	e.chain++
	for _, next := range r.inPlace {
		e.value(next, value)
	}
	for _, next := range r.dynamic {
		e.value(next, value)
	}
	e.chain--
}

func (e *effort) content(r *rule, value any) {
	switch v := value.(type) {
	case string:
		e.text(v, r.pattern)
	case map[string]any:
		e.children(r, v, len(v))
		e.object(r, v)
	case []any:
		e.children(r, v, len(v))
		e.array(r, v)
	}
}

// text is for a string, which is read to be measured and compared, and the pattern, if there is one.
func (e *effort) text(text string, pattern *expression) {
	const (
		bytesOfOne  = 1024
		statesOfOne = 20 // 12 ns each, for each byte
	)
	e.left -= len(text) / bytesOfOne
	if pattern != nil {
		e.left -= 1 + len(text)*pattern.states/statesOfOne
	}
}

// children is what is to be done with those of an object or array as a whole.
func (e *effort) children(r *rule, value any, n int) {
	const listedOfOne = 4
	if r.whole {
		e.left -= values(value)
	}
	if r.upkeep {
		e.left -= n / listedOfOne
	}
}

// values counts those in a value, and itself.
func values(value any) int {
	n := 1
	switch v := value.(type) {
	case map[string]any:
		for _, child := range v {
			n += values(child)
		}
	case []any:
		for _, child := range v {
			n += values(child)
		}
	}
	return n
}

func (e *effort) object(r *rule, object map[string]any) {
	if r.properties == nil && r.patterns == nil && r.additional == nil && r.leftKeys == nil && r.names == nil {
		return
	}
	chain := e.chain
	e.chain = 0
	e.depth++
	for key, child := range object {
		if e.left < 0 {
			break
		}
		e.member(r, key, child)
	}
	e.depth--
	e.chain = chain
}

func (e *effort) member(r *rule, key string, child any) {
	next := r.properties[key]
	if next != nil {
		e.value(next, child)
	}
	for _, pattern := range r.patterns {
		if e.text(key, pattern.name); pattern.name.MatchString(key) {
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
	chain := e.chain
	e.chain = 0
	e.depth++
	for i, child := range array {
		if e.left < 0 {
			break
		}
		e.element(r, i, child)
	}
	e.depth--
	e.chain = chain
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
