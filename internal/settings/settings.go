// Package settings is the domain, without any transport or storage: what a
// settings document is and what a write does to it.
package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Empty is the document of a user who has never saved one.
const Empty = `{}`

// The limits of a document's content, beside the size that the wire contract sets.
const (
	MaxDepth  = 32     // levels of nested objects and arrays
	MaxKeys   = 10_000 // keys of all objects together
	MaxKey    = 256    // bytes of one key, as it is spelt
	MaxDigits = 40     // bytes of one number, as it is spelt
)

// The two ways in which bytes can fail to be a settings document. Errors of
// this package wrap one of them.
var (
	// ErrMalformed: not one JSON value as RFC 8259 and RFC 7493 (I-JSON) want it:
	// UTF-8 without a byte order mark, without repeated keys or lone surrogates.
	ErrMalformed = errors.New("not valid JSON")
	// ErrInvalid: valid JSON that no settings document may be.
	ErrInvalid = errors.New("not a settings document")
)

// Change is what a write does to a document: it gets the current one and returns
// the next, or an error that wraps [ErrMalformed] or [ErrInvalid]. It has no
// side effects and neither keeps nor changes what it gets.
type Change func(current []byte) (next []byte, err error)

// Replace returns the change that puts document in the place of what was there.
// It fails when document is not a settings document, and takes it as it is
// otherwise, byte for byte.
func Replace(document []byte) (Change, error) {
	if err := Check(document); err != nil {
		return nil, err
	}
	return func([]byte) ([]byte, error) { return document, nil }, nil
}

// Check returns nil if document is a settings document: one JSON object within the
// limits. Otherwise it returns an error that wraps [ErrMalformed] or
// [ErrInvalid] and says where the fault is.
func Check(document []byte) error {
	if len(bytes.TrimSpace(document)) == 0 {
		return fmt.Errorf("%w: the body is empty", ErrMalformed)
	}
	// Over a bytes.Buffer the decoder works in place; it refuses repeated names
	// and bad UTF-8 unless told otherwise.
	d := jsontext.NewDecoder(bytes.NewBuffer(document))
	c := checker{decoder: d}
	for {
		if err := c.next(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return malformed(err)
		}
		// The rest must still be read: what is not even JSON is reported as that.
		if d.StackDepth() == 0 && c.values > 1 {
			return fmt.Errorf("%w: more than one value", ErrMalformed)
		}
	}
	return c.invalid
}

// checker walks through the tokens of a document and remembers the first limit that
// it breaks.
type checker struct {
	decoder *jsontext.Decoder
	values  int // at the top level
	keys    int
	invalid error
}

// next reads one token. Its error is the decoder's: io.EOF at the end.
func (c *checker) next() error {
	d := c.decoder
	kind := d.PeekKind()
	if d.StackDepth() == 0 && kind != 0 {
		c.values++
		if kind != '{' && c.values == 1 {
			c.refuse("the document is not an object")
		}
	}
	switch kind {
	case '"', '0':
		return c.scalar(kind)
	case '{', '[':
		if d.StackDepth() >= MaxDepth {
			// Nothing below is worth reading, however deep an attacker went.
			return fmt.Errorf("nested deeper than %d levels", MaxDepth)
		}
	}
	_, err := d.ReadToken()
	return err
}

// scalar reads a string or a number.
func (c *checker) scalar(kind jsontext.Kind) error {
	parent, position := c.decoder.StackIndex(c.decoder.StackDepth())
	value, err := c.decoder.ReadValue()
	if err != nil {
		return err
	}
	switch {
	case kind == '0':
		c.number(string(value))
	case parent == '{' && position%2 == 0: // names and values take turns
		c.keys++
		if c.keys > MaxKeys {
			c.refuse("more than %d keys", MaxKeys)
		}
		if len(value)-len(`""`) > MaxKey {
			c.refuse("a key is over %d bytes", MaxKey)
		}
	}
	return nil
}

// number refuses what a reader that keeps numbers as IEEE 754 doubles would lose
// altogether (RFC 8259 section 6). Lost precision is the reader's own choice.
func (c *checker) number(spelling string) {
	if len(spelling) > MaxDigits {
		c.refuse("a number is over %d digits", MaxDigits)
	} else if f, err := strconv.ParseFloat(spelling, 64); err != nil || math.IsInf(f, 0) {
		c.refuse("the number %s is beyond the range of a double", spelling)
	}
}

func (c *checker) refuse(format string, args ...any) {
	if c.invalid == nil {
		c.invalid = fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
	}
}

// malformed words the decoder's error for the person who sent the document.
func malformed(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it ends too early", ErrMalformed)
	}
	return fmt.Errorf("%w: %s", ErrMalformed, strings.TrimPrefix(err.Error(), "jsontext: "))
}
