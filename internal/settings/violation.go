package settings

import (
	"cmp"
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
	var fault *jsonschema.ValidationError
	if errors.As(s.compiled.Validate(value), &fault) {
		return violations(document, fault)
	}
	return nil
}

// violations words what the validator found in a text that has been read before.
func violations(text []byte, fault *jsonschema.ValidationError) *ViolationError {
	all := faults(nil, fault)
	places := make(map[string]int, len(all))
	for i := range all {
		places[all[i].pointer] = 0
	}
	locate(text, places)
	slices.SortStableFunc(all, func(a, b found) int {
		return cmp.Or(cmp.Compare(places[a.pointer], places[b.pointer]), cmp.Compare(a.reason, b.reason))
	})
	all = slices.Compact(all)
	e := &ViolationError{More: len(all) > MaxViolations}
	for _, one := range all[:min(len(all), MaxViolations)] {
		e.Violations = append(e.Violations, Violation{cut(one.pointer, maxPointer), one.reason})
	}
	return e
}

// locate gives each place its rank in the text.
func locate(text []byte, places map[string]int) {
	d := newDecoder(text, jsontext.AllowDuplicateNames(true))
	for left, rank := len(places), 1; left > 0; rank++ {
		if _, err := d.ReadToken(); err != nil {
			return
		}
		// A name has the pointer of its value, and the end of an object or array that of the whole.
		at := string(d.StackPointer())
		if known, wanted := places[at]; wanted && known == 0 {
			places[at] = rank
			left--
		}
	}
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
