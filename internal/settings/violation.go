package settings

import (
	"errors"
	"fmt"
	"strconv"
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
	// RFC 6901, to the value that is wrong; "": the whole document. Cut after 512 bytes.
	Pointer string
	// for a person, about that value: "must be a string, not a number". Cut after 256 bytes.
	Reason string
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

// Check returns nil if the document is what the schema wants, else a *[ViolationError], or an error
// that wraps [ErrMalformed] if it isn't even JSON. The same document always gets the same answer.
// One whose check would take more than maxEffort is refused, too. It doesn't panic: what goes wrong
// in here is another error.
func (s *Schema) Check(document []byte) (err error) {
	defer survive(&err)
	if s == nil {
		return nil
	}
	value, err := decode(document)
	if err != nil {
		return err
	}
	if !s.affordable(value) {
		return &ViolationError{
			Violations: []Violation{{Reason: "is too much work to hold to the schema"}},
		}
	}
	return judge(document, s.compiled.Validate(value))
}

// judge makes our error of the validator's. One that is about something else is no proof that all
// is right.
func judge(document []byte, err error) error {
	if err == nil {
		return nil
	}
	if wrong, ok := errors.AsType[*jsonschema.ValidationError](err); ok {
		return violations(document, wrong)
	}
	return fmt.Errorf("%w: %v", errValidator, err) //nolint:errorlint // it must not pass for one of ours
}

// violations words what the validator found in a text that has been read before: the first ones in
// it.
func violations(text []byte, e *jsonschema.ValidationError) *ViolationError {
	f := newFinder()
	f.find(e)
	c := choosing{decoder: newDecoder(text, jsontext.AllowDuplicateNames(true))}
	c.value(f.root())
	if len(c.chosen.Violations) == 0 {
		c.add(sayKind(nil)) // it is not right, whatever it is
	}
	return &c.chosen
}

// choosing goes through a text as far as there is something to be told of it.
type choosing struct {
	decoder *jsontext.Decoder
	path    []string // of the value in hand
	chosen  ViolationError
}

// value reads one, and returns false if no more are wanted.
func (c *choosing) value(f *findings) bool {
	if f == nil {
		return c.decoder.SkipValue() == nil
	}
	for _, reason := range f.say() {
		if !c.add(reason) {
			return false
		}
	}
	start := c.decoder.PeekKind()
	if len(f.inside) == 0 || start != '{' && start != '[' {
		return c.decoder.SkipValue() == nil
	}
	if _, err := c.decoder.ReadToken(); err != nil {
		return false
	}
	return c.inside(f, start)
}

func (c *choosing) inside(f *findings, start jsontext.Kind) bool {
	for i := 0; c.decoder.PeekKind() != start+2; i++ { // the bracket that closes
		token := strconv.Itoa(i)
		if start == '{' {
			name, err := c.decoder.ReadToken()
			if err != nil {
				return false
			}
			token = name.String()
		}
		c.path = append(c.path, token)
		if !c.value(f.inside[token]) {
			return false
		}
		c.path = c.path[:len(c.path)-1]
	}
	_, err := c.decoder.ReadToken()
	return err == nil
}

func (c *choosing) add(reason string) bool {
	if c.chosen.More = len(c.chosen.Violations) == MaxViolations; c.chosen.More {
		return false
	}
	c.chosen.Violations = append(c.chosen.Violations, Violation{
		cut(pointer(c.path), maxPointer), reason,
	})
	return true
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
