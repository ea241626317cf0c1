// Package schema checks settings documents against a JSON Schema, and adds the defaults that the
// schema declares. A library validates (santhosh-tekuri/jsonschema); this package bounds what that
// may cost, and words what it finds.
//
// Compile reads the text of a schema (source.go, keywords.go, reference.go), refuses what the
// library can't be trusted with, has the library compile it (validator.go), and refuses it if
// checking a value could cost too much (cost.go). Check runs the library with keywords of our own
// (canonical.go, pattern.go) that count the work, sorts its errors by their location in the
// document (fault.go) and words them (violation.go, wording.go). Effective adds defaults
// (defaults.go, effective.go).
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

// MaxSchemaDepth is how deep a schema may be nested. It takes about two levels to describe one of
// the document's.
const MaxSchemaDepth = 128

// Schema is a compiled JSON Schema. It never changes and may be used by several goroutines at once.
// A nil one allows every document and has no defaults.
type Schema struct {
	defaults *declaration // nil: there are none

	// validators are taken to check a document and put back: each serves one goroutine at a time. A
	// nil one has yet to be compiled.
	validators chan *validator
	compile    func() (*validator, error)
}

// Compile compiles a schema. Its text must satisfy what every document must, [settings.Limits]
// included, with ErrMalformed and ErrTooLarge as for documents. All other errors wrap ErrSchema and
// say where in the schema they are: it isn't an object, isn't valid, needs another document, or
// could make too much work.
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
	l.Depth = MaxSchemaDepth
	err := l.Check(text)
	if errors.Is(err, settings.ErrInvalid) { // no object, too many keys, or a number
		return fmt.Errorf("%w: %s", settings.ErrSchema, trimmed(err, settings.ErrInvalid))
	}
	return err
}

// trimmed returns the text of an error without that of the one that it wraps.
func trimmed(err, wrapped error) string {
	return strings.TrimPrefix(err.Error(), wrapped.Error()+": ")
}

// refused is the error for something in the schema's text.
func refused(pointer, why string) error {
	return fmt.Errorf("%w: %q %s", settings.ErrSchema, jsontree.Cut(pointer, maxPointer), why)
}

// errValidator is a failure of the library that says nothing about the document.
var errValidator = errors.New("the validator of schemas failed")

// validatorFailed wraps the text of the library's error only: it must not pass for one of ours.
func validatorFailed(err error) error { return fmt.Errorf("%w: %s", errValidator, err.Error()) }

// Check returns nil if the document is valid, else a *[ViolationError], or an error that wraps
// ErrMalformed if it isn't even JSON. It also refuses a document that takes more than MaxWork, or
// too long to match a regular expression. Check doesn't panic: a fault of its own is another error.
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
			return validatorFailed(err)
		}
	}
	return v.check(document, value)
}

// wrong translates the library's error.
func wrong(document []byte, err error) error {
	if err == nil {
		return nil
	}
	if invalid, ok := errors.AsType[*jsonschema.ValidationError](err); ok {
		return violations(document, invalid)
	}
	return validatorFailed(err)
}
