package settings

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// home is what relative references in a schema are relative to. It stands for no place: see nowhere.
const (
	home       = homeFolder + "schema"
	homeFolder = "outset:///"
)

// source is the text of a schema, in the two shapes that are needed of it, and what is compiled from it.
type source struct {
	root     node // as it is spelt
	value    any  // as the validator wants it
	patterns *patterns
	compiler *jsonschema.Compiler
}

func readSource(text []byte) (*source, error) {
	_, root, _, err := parse(text)
	if err != nil {
		return nil, err
	}
	value, err := decode(text)
	if err != nil {
		return nil, err
	}
	return &source{root: root, value: value, patterns: newPatterns()}, nil
}

// checkDialect refuses others, older ones above all: the same words mean something else there.
func (s *source) checkDialect() error {
	named := s.root.child("$schema")
	if named == nil {
		return nil
	}
	if says, err := unquoteIfString(named); err != nil || strings.TrimSuffix(says, "#") != Dialect {
		return fmt.Errorf("%w: \"/$schema\" is not %q", ErrSchema, Dialect)
	}
	return nil
}

var errNoString = errors.New("not a string")

func unquoteIfString(n *node) (string, error) {
	if n.kind() != '"' {
		return "", errNoString
	}
	return unquote(n.spelt)
}

// nowhere is where schemas are loaded from: nothing is fetched. What the validator has with it, the
// metaschemas, does not come this way.
type nowhere struct{}

var errOutside = errors.New("nothing is fetched")

func (nowhere) Load(string) (any, error) { return nil, errOutside }

func (s *source) compile() (*jsonschema.Schema, error) {
	s.compiler = jsonschema.NewCompiler()
	s.compiler.DefaultDraft(jsonschema.Draft2020)
	s.compiler.UseLoader(nowhere{})
	s.compiler.UseRegexpEngine(s.patterns.compile)
	if err := s.compiler.AddResource(home, s.value); err != nil {
		return nil, s.explain(err)
	}
	compiled, err := s.compiler.Compile(home)
	if err != nil {
		return nil, s.explain(err)
	}
	return compiled, s.compileAll()
}

// find returns the part of the text that a schema has been compiled from, or nil if it is none of it.
func (s *source) find(compiled *jsonschema.Schema) *node {
	fragment, ok := strings.CutPrefix(compiled.Location, home+"#")
	if !ok {
		return nil
	}
	path, err := url.PathUnescape(fragment)
	if err != nil {
		return nil
	}
	return s.root.find(splitPointer(path))
}

var unescapes = strings.NewReplacer("~1", "/", "~0", "~")

// splitPointer reads a JSON pointer that is known to be one (RFC 6901).
func splitPointer(pointer string) []string {
	tokens := strings.Split(pointer, "/")[1:]
	for i := range tokens {
		tokens[i] = unescapes.Replace(tokens[i])
	}
	return tokens
}

// walk calls f for each member of the objects in n, in the order of the text, with the path of the object.
func (n *node) walk(path []string, f func(path []string, m *member)) {
	switch {
	case n.object != nil:
		for i := range n.object.members {
			m := &n.object.members[i]
			f(path, m)
			m.value.walk(append(path, m.key), f)
		}
	case n.array != nil:
		for i, element := range n.array.nodes() {
			element.walk(append(path, fmt.Sprint(i)), f)
		}
	}
}
