package settings

import (
	"errors"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Dialect is the one that a schema may name with "$schema", and has if it names none.
const Dialect = "https://json-schema.org/draft/2020-12/schema"

// schemaDepth is how deep a schema may be nested. It takes about two levels to speak of one of the
// document's.
const schemaDepth = 128

// Schema is a JSON Schema (2020-12) that documents are held to, compiled. It never changes and may
// be used by several goroutines at once. A nil one is the schema that everything fits and that has
// no defaults.
type Schema struct {
	compiled *jsonschema.Schema
	effort   *rule  // what it takes to check a document
	defaults *layer // nil: there are none
}

// Schema compiles a schema. Its text is held to what holds for every body, [Limits.Bytes],
// [Limits.Keys] and [MaxKey] included, with ErrMalformed and ErrTooLarge as for documents. All else
// that is wrong with it wraps ErrSchema: it is no object, not valid, of another dialect, or would
// be too much work. "$ref" may lead to schemas in the text by JSON pointers ("#/$defs/a"), and
// nowhere else: there are no anchors, no dynamic references, and no "$id" but that of the whole,
// which means nothing. "format" is an annotation. From then on nobody may write to text. It doesn't
// panic.
func (l Limits) Schema(text []byte) (made *Schema, err error) {
	defer survive(&err)
	if err := l.schemaText(text); err != nil {
		return nil, err
	}
	_, root, _, err := parse(text)
	if err != nil {
		return nil, err
	}
	source, err := readSource(&root)
	if err != nil {
		return nil, err
	}
	s := &Schema{}
	if s.compiled, err = source.compile(text); err != nil {
		return nil, err
	}
	if s.effort, err = weigh(s.compiled); err != nil {
		return nil, err
	}
	s.defaults = source.defaults()
	if _, err := s.Effective([]byte(Empty), l.Bytes); errors.Is(err, ErrTooLarge) {
		return nil, notSchema(err, ErrTooLarge)
	} else if err != nil {
		return nil, err
	}
	return s, nil
}

func (l Limits) schemaText(text []byte) error {
	found, err := l.survey(text, schemaDepth)
	switch {
	case errors.Is(err, ErrInvalid): // a number
		return notSchema(err, ErrInvalid)
	case err != nil:
		return err
	case found.kind != '{':
		return fmt.Errorf("%w: it is not an object", ErrSchema)
	}
	if err := l.keys(found); err != nil {
		return notSchema(err, ErrInvalid)
	}
	return nil
}

// notSchema makes ErrSchema of an error that wraps another.
func notSchema(err, instead error) error {
	return fmt.Errorf("%w: %s", ErrSchema, strings.TrimPrefix(err.Error(), instead.Error()+": "))
}
