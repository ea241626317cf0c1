package schema

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/outset-settings/outset/internal/jsontree"
	"github.com/outset-settings/outset/internal/settings"
)

// How large a schema may be. The library compares each schema in the text with all others while it
// compiles them, and keeps several copies of the pointer to each: at most 0.1 s and 6 MB. A form of
// ten objects, each inside the one before and with 50 properties, is 510 schemas and 40 KB of
// pointers; one with 290 properties in each just fits.
const (
	MaxSchemas = 3_000
	// patternBytes is how much of a regular expression counts as one schema, and so does each by
	// itself. So all that a schema has took 0.2 s to compile at most, on two busy cores.
	patternBytes    = 10
	MaxPointerBytes = 512 << 10 // of the JSON pointers to all of them, escaped as in an address
	MaxValues       = 90_000
)

// The keywords that contain schemas: one as the value, a list, or an object with names of the
// author's choice. These are all that the library knows, older ones included.
var (
	keywordsOfOne = []string{
		"not", "if", "then", "else", "items", "contains", "additionalProperties", "propertyNames",
		"unevaluatedItems", "unevaluatedProperties", "contentSchema", "additionalItems",
	}
	keywordsOfList  = []string{"allOf", "anyOf", "oneOf", "prefixItems", "items"}
	keywordsOfNamed = []string{
		"$defs", "definitions", "properties", "patternProperties",
		"dependentSchemas", "dependencies",
	}
)

// source is what the text of a schema contains. It is read before the library reads the text, and
// refuses what the library can't be trusted with.
type source struct {
	schemas      map[string]*declaration // of all schemas in the text, by JSON pointer
	resources    map[string]*resource    // by their addresses
	references   []reference
	dynamic      []string // JSON pointers of the schemas with a "$dynamicAnchor"
	pointerBytes int
	patterns     int // what the regular expressions count, in schemas
}

// readSource reads the text of a schema.
func readSource(root *jsontree.Node) (*source, error) {
	s := &source{schemas: map[string]*declaration{}, resources: map[string]*resource{}}
	if values(root) > MaxValues {
		return nil, fmt.Errorf("%w: it has more than %d values", settings.ErrSchema, MaxValues)
	}
	whole := &resource{
		url: &url.URL{Scheme: "outset", Path: "/schema"}, anchors: map[string]*declaration{},
	}
	s.resources[home] = whole
	if _, err := s.read("", root, whole); err != nil {
		return nil, err
	}
	if err := s.resolve(); err != nil {
		return nil, err
	}
	return s, nil
}

func values(n *jsontree.Node) int {
	sum := 1
	switch {
	case n.Array != nil:
		for _, element := range n.Array.Nodes() {
			sum += values(element)
		}
	case n.Object != nil:
		for m := range n.Object.Members() {
			sum += values(&m.Value)
		}
	}
	return sum
}

func under(pointer, token string) string { return pointer + jsontree.Pointer(token) }

// read reads a schema and those in it.
func (s *source) read(at string, n *jsontree.Node, in *resource) (*declaration, error) {
	s.pointerBytes += len((&url.URL{Fragment: at}).EscapedFragment())
	if len(s.schemas)+s.patterns >= MaxSchemas || s.pointerBytes > MaxPointerBytes {
		return nil, refused(at, fmt.Sprintf("is one too many: "+
			"at most %d schemas are allowed, %d bytes of a pattern count as one, "+
			"and %d bytes of JSON pointers to them", MaxSchemas, patternBytes, MaxPointerBytes))
	}
	one := &declaration{}
	s.schemas[at] = one
	if n.Object == nil {
		return one, nil // true or false, or else the metaschema will say so
	}
	in, err := s.identify(one, at, n, in)
	if err != nil {
		return nil, err
	}
	for m := range n.Object.Members() {
		if err := s.keyword(one, at, m, in); err != nil {
			return nil, err
		}
		if err := s.inside(one, under(at, m.Key), m, in); err != nil {
			return nil, err
		}
	}
	if in.draft7 && n.Object.Get("$ref") != nil {
		one.onlyReference() // the other keywords don't count
	}
	return one, nil
}

// inside reads the schemas that are inside a keyword.
func (s *source) inside(one *declaration, at string, m *jsontree.Member, in *resource) error {
	switch {
	case slices.Contains(keywordsOfList, m.Key) && m.Value.Array != nil:
		return s.list(one, at, m, in)
	case slices.Contains(keywordsOfNamed, m.Key) && m.Value.Object != nil:
		return s.named(one, at, m, in)
	case slices.Contains(keywordsOfOne, m.Key):
		_, err := s.read(at, &m.Value, in)
		return err
	}
	return nil
}

func (s *source) list(one *declaration, at string, m *jsontree.Member, in *resource) error {
	for i, element := range m.Value.Array.Nodes() {
		part, err := s.read(at+"/"+strconv.Itoa(i), element, in)
		if err != nil {
			return err
		}
		if m.Key == "allOf" {
			one.next = append(one.next, part)
		}
	}
	return nil
}

func (s *source) named(one *declaration, at string, m *jsontree.Member, in *resource) error {
	for p := range m.Value.Object.Members() {
		if m.Key == "dependencies" && p.Value.Array != nil {
			continue // names
		}
		part, err := s.read(under(at, p.Key), &p.Value, in)
		if err != nil {
			return err
		}
		if m.Key == "properties" {
			one.properties = append(one.properties, property{p.Name, p.Key, part})
		}
	}
	return nil
}

// dialect reports whether "$schema" names draft 7; if not, it names 2020-12.
func dialect(at string, named *jsontree.Node) (draft7 bool, err error) {
	says, _ := named.Says()
	switch strings.TrimSuffix(says, "#") {
	case Draft7:
		return true, nil
	case Draft2020:
		return false, nil
	}
	return false, refused(under(at, "$schema"), fmt.Sprintf("must be %q or %q", Draft2020, Draft7))
}
