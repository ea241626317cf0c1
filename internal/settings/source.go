package settings

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// What a schema may have. The validator compares each schema in it with all others while it
// compiles them, and keeps several copies of where each one is: at worst these make 0.1 s and 6 MB.
// A form of ten objects, each in the one before, with 50 properties each is 510 schemas, 40 KB of
// places and 170 KB of values; one with 290 properties each just fits.
const (
	maxSchemas = 3_000
	maxPlaces  = 512 << 10 // bytes of the JSON pointers to all of them, escaped as in an address
	maxValues  = 6 << 20   // bytes, see bulk: some 90,000 values
)

// Where there are schemas inside a schema: as what the word says, in a list, or in an object, by
// names of the author's choice. These are all that the validator knows of, older ones included.
var (
	wordsOfOne = []string{
		"not", "if", "then", "else", "items", "contains", "additionalProperties", "propertyNames",
		"unevaluatedItems", "unevaluatedProperties", "contentSchema", "additionalItems",
	}
	wordsOfList  = []string{"allOf", "anyOf", "oneOf", "prefixItems", "items"}
	wordsOfNamed = []string{
		"$defs", "definitions", "properties", "patternProperties",
		"dependentSchemas", "dependencies",
	}
)

// source reads the text of a schema, before the validator does, and refuses what that can't be
// trusted with.
type source struct {
	layers     map[string]*layer // of all schemas in the text, by JSON pointer
	references []reference
	patterns   *patterns
	places     int // bytes
}

// reference is a "$ref", which may lead to what comes later.
type reference struct {
	from   *layer
	at, to string // JSON pointers
}

func readSource(root *node) (*source, error) {
	s := &source{layers: map[string]*layer{}, patterns: newPatterns()}
	if named := root.child("$schema"); named != nil {
		if says, ok := named.text(); !ok || strings.TrimSuffix(says, "#") != Dialect {
			return nil, refused("/$schema", fmt.Sprintf("is not %q", Dialect))
		}
	}
	if _, err := s.read("", root); err != nil {
		return nil, err
	}
	for _, r := range s.references {
		to := s.layers[r.to]
		if to == nil {
			return nil, refused(r.at, fmt.Sprintf("leads to no schema: %q", short("#"+r.to)))
		}
		r.from.next = slices.Insert(r.from.next, 0, to)
	}
	return s, nil
}

// refused is the error for something in the text.
func refused(at, why string) error {
	return fmt.Errorf("%w: %q %s", ErrSchema, cut(at, maxPointer), why)
}

// text returns what a string says.
func (n *node) text() (string, bool) {
	if n.kind() != '"' {
		return "", false
	}
	says, err := unquote(n.spelt)
	return says, err == nil
}

func under(at, token string) string { return at + "/" + escapes.Replace(token) }

// read goes through a schema and those in it.
func (s *source) read(at string, n *node) (*layer, error) {
	s.places += len((&url.URL{Fragment: at}).EscapedFragment())
	if len(s.layers) == maxSchemas || s.places > maxPlaces {
		return nil, fmt.Errorf("%w: it has more than %d schemas, or more than %d bytes of JSON pointers to them", ErrSchema, maxSchemas, maxPlaces)
	}
	one := &layer{}
	s.layers[at] = one
	if n.object == nil {
		return one, nil // true or false, or else the metaschema will say so
	}
	for i := range n.object.members {
		m := &n.object.members[i]
		if err := s.word(one, at, m); err != nil {
			return nil, err
		}
		if err := s.inside(one, under(at, m.key), m); err != nil {
			return nil, err
		}
	}
	return one, nil
}

// inside reads the schemas that a word leads to.
func (s *source) inside(one *layer, at string, m *member) error {
	switch {
	case slices.Contains(wordsOfList, m.key) && m.value.array != nil:
		return s.list(one, at, m)
	case slices.Contains(wordsOfNamed, m.key) && m.value.object != nil:
		return s.named(one, at, m)
	case slices.Contains(wordsOfOne, m.key):
		_, err := s.read(at, &m.value)
		return err
	}
	return nil
}

func (s *source) list(one *layer, at string, m *member) error {
	for i, element := range m.value.array.nodes() {
		part, err := s.read(at+"/"+strconv.Itoa(i), element)
		if err != nil {
			return err
		}
		if m.key == "allOf" {
			one.next = append(one.next, part)
		}
	}
	return nil
}

func (s *source) named(one *layer, at string, m *member) error {
	for i := range m.value.object.members {
		p := &m.value.object.members[i]
		if m.key == "dependencies" && p.value.array != nil {
			continue // names
		}
		part, err := s.read(under(at, p.key), &p.value)
		if err != nil {
			return err
		}
		if m.key == "properties" {
			one.properties = append(one.properties, property{p.name, p.key, part})
		}
	}
	return nil
}
