package settings

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Where there are schemas inside a schema: as what the word says, in a list, or in an object, by names of
// the author's choice.
var (
	wordsOfOne = []string{
		"not", "if", "then", "else", "items", "contains", "additionalProperties", "propertyNames",
		"unevaluatedItems", "unevaluatedProperties", "contentSchema",
	}
	wordsOfList  = []string{"allOf", "anyOf", "oneOf", "prefixItems"}
	wordsOfNamed = []string{"$defs", "definitions", "properties", "patternProperties", "dependentSchemas", "dependencies"}
)

// compileAll compiles what the whole does not lead to as well: it is to be right before something does.
func (s *source) compileAll() error {
	var err error
	s.root.subschemas(nil, func(path []string) {
		if err != nil {
			return
		}
		schema, fault := s.compiler.Compile(home + "#" + escapePath(path))
		if fault != nil {
			err = s.explain(fault)
		} else {
			err = checkVersion(schema)
		}
	})
	return err
}

// subschemas calls f with the path of each schema inside this one.
func (n *node) subschemas(path []string, f func(path []string)) {
	if n.object == nil {
		return
	}
	for i := range n.object.members {
		m := &n.object.members[i]
		at := inside(path, m.key)
		switch {
		case slices.Contains(wordsOfOne, m.key):
			m.value.subschema(at, f)
		case slices.Contains(wordsOfList, m.key) && m.value.array != nil:
			for i, one := range m.value.array.nodes() {
				one.subschema(inside(at, strconv.Itoa(i)), f)
			}
		case slices.Contains(wordsOfNamed, m.key) && m.value.object != nil:
			for i := range m.value.object.members {
				named := &m.value.object.members[i]
				named.value.subschema(inside(at, named.key), f)
			}
		}
	}
}

func (n *node) subschema(path []string, f func(path []string)) {
	if n.object != nil {
		f(path)
		n.subschemas(path, f)
	}
}

// checkVersion refuses what an older "$schema" inside, or that of where a reference leads, makes mean something else.
func checkVersion(schema *jsonschema.Schema) error {
	const version = 2020
	if schema.DraftVersion != version {
		return fmt.Errorf("%w: part of it is of another dialect than %q", ErrSchema, Dialect)
	}
	return nil
}

func inside(path []string, key string) []string { return slices.Concat(path, []string{key}) }
