package settings

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Words that are about other things than schemas, too.
var (
	wordsRefused = []string{
		"$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveAnchor",
		"$recursiveRef", "$vocabulary",
	}
	wordsOfCount = []string{
		"maxLength", "minLength", "maxItems", "minItems", "maxProperties", "minProperties",
		"maxContains", "minContains",
	}
	wordsOfNames = []string{"required", "type", "dependentRequired", "dependencies"}
)

// word looks at what is no schema.
func (s *source) word(one *layer, at string, m *member) error {
	here := under(at, m.key)
	switch {
	case slices.Contains(wordsRefused, m.key), at != "" && (m.key == "$id" || m.key == "$schema"):
		return refused(here, "is not supported here")
	case m.key == "default":
		one.value = &m.value
	case m.key == "$ref":
		return s.reference(one, here, &m.value)
	case m.key == "pattern":
		return s.pattern(here, &m.value)
	case m.key == "patternProperties" && m.value.object != nil:
		for i := range m.value.object.members {
			named := &m.value.object.members[i]
			if err := s.pattern(under(here, named.key), &node{spelt: named.name}); err != nil {
				return err
			}
		}
	case slices.Contains(wordsOfCount, m.key) && m.value.kind() == '0':
		if n, err := strconv.ParseFloat(m.value.spelt, 64); err != nil || n > math.MaxInt32 {
			return refused(here, fmt.Sprintf("is over %d", math.MaxInt32))
		}
	case slices.Contains(wordsOfNames, m.key):
		return namesOnly(here, &m.value)
	}
	return nil
}

// reference takes those in the text alone: nothing is fetched.
func (s *source) reference(one *layer, at string, n *node) error {
	says, ok := n.text()
	fragment, inside := strings.CutPrefix(says, "#")
	to, err := url.PathUnescape(fragment)
	if !ok || !inside || err != nil || to != "" && to[0] != '/' {
		return refused(at, fmt.Sprintf(`is not "#" or "#/" with a JSON pointer into this schema: %q`, short(says)))
	}
	s.references = append(s.references, reference{one, at, to})
	return nil
}

func (s *source) pattern(at string, n *node) error {
	text, ok := n.text()
	if !ok {
		return nil // the metaschema will say so
	}
	if _, err := s.patterns.compile(text); err != nil {
		return refused(at, fmt.Sprintf("is no regular expression of RE2: %v", err))
	}
	return nil
}

// namesOnly refuses lists of anything but strings, which the validator would compare with each
// other one by one.
func namesOnly(at string, n *node) error {
	switch {
	case n.array != nil:
		for i, element := range n.array.nodes() {
			if element.kind() != '"' {
				return refused(at+"/"+strconv.Itoa(i), "must be a string")
			}
		}
	case n.object != nil:
		for i := range n.object.members {
			m := &n.object.members[i]
			if m.value.array == nil {
				continue
			}
			if err := namesOnly(under(at, m.key), &m.value); err != nil {
				return err
			}
		}
	}
	return nil
}
