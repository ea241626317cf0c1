// Package schema holds settings documents to a JSON Schema: it compiles one, says where a document
// violates it, and adds the defaults that it declares. Validation itself is the library's
// (santhosh-tekuri/jsonschema); this package keeps what it may cost within bounds, and words what
// it finds.
package schema

import (
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/outset-settings/outset/internal/jsontree"
	"github.com/outset-settings/outset/internal/settings"
)

// The dialects that a schema may name with "$schema".
const (
	Draft2020 = "https://json-schema.org/draft/2020-12/schema" // also of one that names none
	Draft7    = "http://json-schema.org/draft-07/schema"
)

// maxSchemaDepth is how deep a schema may be nested. It takes about two levels to describe one of
// the document's.
const maxSchemaDepth = 128

// Schema is a compiled JSON Schema. It never changes and may be used by several goroutines at once.
// A nil one allows every document and has no defaults.
type Schema struct {
	defaults *declaration // nil: there are none

	// validators are taken to check a document and put back: each serves one goroutine at a time. A
	// nil one has yet to be compiled.
	validators chan *validator
	compile    func() (*validator, error)
}

// Compile compiles a schema. Its text must keep to what holds for every document, [settings.Limits]
// included, with ErrMalformed and ErrTooLarge as for documents. All else that is wrong with it
// wraps ErrSchema: it isn't an object, isn't valid, needs another document, or could make too much
// work. It says where in the schema that is.
//
// "$ref" and "$dynamicRef" lead to a schema in the text, by "$id", anchor or JSON pointer, or to a
// metaschema of json-schema.org: nothing is fetched. "format" is an annotation in 2020-12, and is
// checked in draft 7. Regular expressions are ECMA-262. Nobody may write to text from then on.
// Compile doesn't panic.
func Compile(text []byte, l settings.Limits) (*Schema, error) {
	return compile(text, l, matchLimits{maxMatch, maxMatches})
}

func compile(text []byte, l settings.Limits, m matchLimits) (made *Schema, err error) {
	defer settings.Survive(&err)
	if err := checkText(text, l); err != nil {
		return nil, err
	}
	d, err := jsontree.Parse(text)
	if err != nil {
		return nil, err
	}
	source, err := readSource(&d.Root)
	if err != nil {
		return nil, err
	}
	s := &Schema{
		defaults:   source.defaults(),
		validators: make(chan *validator, runtime.GOMAXPROCS(0)),
		compile:    func() (*validator, error) { return newValidator(text, source.dynamic, m) },
	}
	first, err := s.compile()
	if err != nil {
		return nil, source.explain(text, err)
	}
	if err := checkCost(first.entries()); err != nil {
		return nil, err
	}
	s.validators <- first
	for len(s.validators) < cap(s.validators) {
		s.validators <- nil
	}
	if _, err := s.Effective([]byte(settings.Empty), l.Bytes); errors.Is(err,
		settings.ErrTooLarge) {
		return nil, refused("", trimmed(err, settings.ErrTooLarge))
	} else if err != nil {
		return nil, err
	}
	return s, nil
}

func checkText(text []byte, l settings.Limits) error {
	l.Depth = maxSchemaDepth
	err := l.Check(text)
	if errors.Is(err, settings.ErrInvalid) { // no object, too many keys, or a number
		return fmt.Errorf("%w: %s", settings.ErrSchema, trimmed(err, settings.ErrInvalid))
	}
	return err
}

// trimmed is the text of an error without that of the one that it wraps.
func trimmed(err, wrapped error) string {
	return strings.TrimPrefix(err.Error(), wrapped.Error()+": ")
}

// refused is the error for something in the schema's text.
func refused(pointer, why string) error {
	return fmt.Errorf("%w: %q %s", settings.ErrSchema, jsontree.Cut(pointer, maxPointer), why)
}

// errValidator is what the library fails with if that isn't about the document. It is no proof that
// the document is right.
var errValidator = errors.New("the validator of schemas failed")

// Check returns nil if the document is valid, else a *[ViolationError], or an error that wraps
// ErrMalformed if it isn't even JSON. A document that takes over maxWork to check is refused, too,
// as one whose match of a regular expression takes too long. Check doesn't panic: what goes wrong
// in here is another error.
func (s *Schema) Check(document []byte) (err error) {
	defer settings.Survive(&err)
	if s == nil {
		return nil
	}
	value, err := decode(document)
	if errors.Is(err, errDeep) {
		return oneViolation("", "is nested too deep to be checked")
	} else if err != nil {
		return err
	}
	v := <-s.validators
	defer func() { s.validators <- v }()
	if v == nil {
		if v, err = s.compile(); err != nil {
			return fmt.Errorf("%w: %v", errValidator, err) //nolint:errorlint // it must not pass for one of ours
		}
	}
	return v.check(document, value)
}

// wrong makes our error of the library's.
func wrong(document []byte, err error) error {
	if err == nil {
		return nil
	}
	if invalid, ok := errors.AsType[*jsonschema.ValidationError](err); ok {
		return violations(document, invalid)
	}
	return fmt.Errorf("%w: %v", errValidator, err) //nolint:errorlint // it must not pass for one of ours
}
