package settings

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// What a [ViolationError] has at most.
const (
	MaxViolations = 32
	maxPointer    = 512 // bytes
	maxReason     = 256
)

// Violation is one thing that is wrong with a document.
type Violation struct {
	Pointer string // RFC 6901, to the value that is wrong; "": the whole document. Cut after 512 bytes.
	Reason  string // for a person, about that value: "must be a string, not a number". Cut after 256 bytes.
}

// ViolationError says where a document breaks its schema. It wraps [ErrViolation].
type ViolationError struct {
	Violations []Violation // the first ones in the document, at most MaxViolations
	More       bool        // there are more
}

// Error tells the first.
func (e *ViolationError) Error() string {
	if len(e.Violations) == 0 {
		return ErrViolation.Error()
	}
	first := e.Violations[0]
	return fmt.Sprintf("%v: %q %s", ErrViolation, short(first.Pointer), first.Reason)
}

// Unwrap returns ErrViolation.
func (e *ViolationError) Unwrap() error { return ErrViolation }

// Check returns nil if the document is what the schema wants, else a *[ViolationError], or an error that wraps
// [ErrMalformed] if it isn't even JSON. The same document always gets the same answer. One whose check would
// take more than maxEffort is refused, too.
func (s *Schema) Check(document []byte) error {
	if s == nil {
		return nil
	}
	value, err := decode(document)
	if err != nil {
		return err
	}
	if !s.affordable(value) {
		return &ViolationError{Violations: []Violation{{Reason: "is too much work to hold to the schema"}}}
	}
	var wrong *jsonschema.ValidationError
	if errors.As(s.compiled.Validate(value), &wrong) {
		return violations(document, wrong)
	}
	return nil
}

// violations words what the validator found in a text that has been read before.
func violations(text []byte, e *jsonschema.ValidationError) *ViolationError {
	all := map[string][]fault{}
	for _, one := range faults(nil, e) {
		at := pointer(one.path)
		all[at] = append(all[at], one)
	}
	wrong := &ViolationError{}
	for _, at := range inOrder(text, all) {
		for _, reason := range reasons(all[at]) {
			if len(wrong.Violations) == MaxViolations {
				wrong.More = true
				return wrong
			}
			wrong.Violations = append(wrong.Violations, Violation{cut(at, maxPointer), reason})
		}
	}
	return wrong
}

// reasons words what is wrong with one value, in the order of these words: the validator has none.
func reasons(all []fault) []string {
	words := make([]string, len(all))
	for i, one := range all {
		words[i] = cut(one.reason(), maxReason)
	}
	slices.Sort(words)
	return slices.Compact(words)
}

// inOrder returns the pointers in the order in which what they point to begins in the text, as many as can be
// of use: each has something wrong.
func inOrder(text []byte, wanted map[string][]fault) (pointers []string) {
	d := newDecoder(text, jsontext.AllowDuplicateNames(true))
	seen := map[string]bool{}
	for len(pointers) < len(wanted) && len(pointers) <= MaxViolations {
		if _, err := d.ReadToken(); err != nil {
			return pointers
		}
		// A name has the pointer of its value, and the end of an object or array that of the whole.
		at := string(d.StackPointer())
		if wanted[at] != nil && !seen[at] {
			seen[at] = true
			pointers = append(pointers, at)
		}
	}
	return pointers
}

// cut shortens a text to whole characters.
func cut(text string, most int) string {
	const dots = "…"
	if len(text) <= most {
		return strings.ToValidUTF8(text, "�")
	}
	end := most - len(dots)
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return strings.ToValidUTF8(text[:end], "�") + dots
}
