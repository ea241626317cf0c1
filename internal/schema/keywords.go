package schema

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/outset-settings/outset/internal/jsontree"
)

// Keywords that the library can't be trusted with.
var (
	// The library follows these in 2020-12, too.
	keywordsOf2019 = []string{"$recursiveAnchor", "$recursiveRef"}
	// These must be small integers.
	keywordsOfCount = []string{
		"maxLength", "minLength", "maxItems", "minItems", "maxProperties", "minProperties",
		"maxContains", "minContains",
	}
	keywordsOfNames = []string{"required", "type", "dependentRequired", "dependencies"}
)

// keyword reads and checks the value of a keyword, as far as that isn't a schema.
func (s *source) keyword(one *declaration, at string, m *jsontree.Member, in *resource) error {
	here := under(at, m.Key)
	switch {
	case slices.Contains(keywordsOf2019, m.Key):
		return refused(here, `is a keyword of draft 2019-09: use "$dynamicRef"`)
	case m.Key == "default":
		one.value = &m.Value
	case m.Key == "$ref", m.Key == "$dynamicRef" && !in.draft7:
		return s.refer(one, here, &m.Value, in, m.Key == "$dynamicRef")
	case m.Key == "pattern":
		if says, ok := m.Value.Says(); ok { // else the metaschema will say so
			return s.pattern(here, says)
		}
	case m.Key == "patternProperties" && m.Value.Object != nil:
		for named := range m.Value.Object.Members() {
			if err := s.pattern(under(here, named.Key), named.Key); err != nil {
				return err
			}
		}
	case slices.Contains(keywordsOfCount, m.Key) && m.Value.Kind() == '0':
		n, err := strconv.ParseFloat(m.Value.Spelling(), 64)
		if err != nil || n > math.MaxInt32 {
			return refused(here, fmt.Sprintf("is more than %d", math.MaxInt32))
		}
	case slices.Contains(keywordsOfNames, m.Key):
		return namesOnly(here, &m.Value)
	}
	return nil
}

// pattern checks a regular expression, once it is known that there aren't too many.
func (s *source) pattern(at, says string) error {
	if s.patterns += 1 + len(says)/patternBytes; len(s.schemas)+s.patterns > MaxSchemas {
		return refused(at, fmt.Sprintf("is one too many: at most %d patterns are allowed, "+
			"of which each schema and each %d bytes of a pattern count as one", MaxSchemas,
			patternBytes))
	}
	if _, err := newPattern(says, nil); err != nil {
		return refused(at, fmt.Sprintf("is not a regular expression: %v", err))
	}
	return nil
}

// namesOnly refuses lists of anything but strings, which the library would compare with each other
// one by one.
func namesOnly(at string, n *jsontree.Node) error {
	switch {
	case n.Array != nil:
		for i, element := range n.Array.Nodes() {
			if element.Kind() != '"' {
				return refused(at+"/"+strconv.Itoa(i), "must be a string")
			}
		}
	case n.Object != nil:
		for m := range n.Object.Members() {
			if m.Value.Array == nil {
				continue
			}
			if err := namesOnly(under(at, m.Key), &m.Value); err != nil {
				return err
			}
		}
	}
	return nil
}
