package schema

import (
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/outset-settings/outset/internal/jsontree"
	"github.com/outset-settings/outset/internal/settings"
)

// What a [ViolationError] has at most.
const (
	MaxViolations = 32
	maxPointer    = 512 // bytes
	maxReason     = 256
)

// Violation is one thing that is wrong with a document.
type Violation struct {
	// RFC 6901, to the value that is wrong; "": the whole document. Cut after 512 bytes.
	Pointer string
	// for a person, about that value: "must be a string, not a number". Cut after 256 bytes.
	Reason string
}

// ViolationError says where a document breaks its schema. It wraps settings.ErrViolation.
type ViolationError struct {
	Violations []Violation // the first ones in the document, at most MaxViolations
	More       bool        // there are more
}

// Error tells the first.
func (e *ViolationError) Error() string {
	if len(e.Violations) == 0 {
		return settings.ErrViolation.Error()
	}
	first := e.Violations[0]
	return fmt.Sprintf("%v: %q %s", settings.ErrViolation, jsontree.Short(first.Pointer),
		first.Reason)
}

// Unwrap returns ErrViolation.
func (e *ViolationError) Unwrap() error { return settings.ErrViolation }

// oneViolation is the error for a document that could not be checked to its end.
func oneViolation(pointer, reason string) error {
	return &ViolationError{Violations: []Violation{{
		jsontree.Cut(pointer, maxPointer), jsontree.Cut(reason, maxReason),
	}}}
}

// violations words the first things that the library found, in the order of the text. That has been
// read before.
func violations(text []byte, e *jsonschema.ValidationError) *ViolationError {
	r := reporter{decoder: jsontree.NewDecoder(text, jsontext.AllowDuplicateNames(true))}
	r.value(faultsOf(e))
	if len(r.report.Violations) == 0 {
		r.add(sayKind(nil)) // something is wrong, whatever it is
	}
	return &r.report
}

// reporter goes through a text as far as there are faults in it.
type reporter struct {
	decoder *jsontext.Decoder
	path    []string // of the value in hand
	report  ViolationError
}

// value reads one, and returns false if no more are wanted.
func (r *reporter) value(f *faults) bool {
	if f == nil {
		return r.decoder.SkipValue() == nil
	}
	for _, reason := range f.say() {
		if !r.add(reason) {
			return false
		}
	}
	start := r.decoder.PeekKind()
	if len(f.inside) == 0 || start != '{' && start != '[' {
		return r.decoder.SkipValue() == nil
	}
	if _, err := r.decoder.ReadToken(); err != nil {
		return false
	}
	return r.inside(f, start)
}

func (r *reporter) inside(f *faults, start jsontext.Kind) bool {
	for i := 0; r.decoder.PeekKind() != start+2; i++ { // the bracket that closes
		token := strconv.Itoa(i)
		if start == '{' {
			name, err := r.decoder.ReadToken()
			if err != nil {
				return false
			}
			token = name.String()
		}
		r.path = append(r.path, token)
		if !r.value(f.inside[token]) {
			return false
		}
		r.path = r.path[:len(r.path)-1]
	}
	_, err := r.decoder.ReadToken()
	return err == nil
}

func (r *reporter) add(reason string) bool {
	if r.report.More = len(r.report.Violations) == MaxViolations; r.report.More {
		return false
	}
	r.report.Violations = append(r.report.Violations, Violation{
		jsontree.Cut(jsontree.Pointer(r.path...), maxPointer), reason,
	})
	return true
}
