package settings

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/outset-settings/outset/internal/jsontree"
)

var (
	errDeep     = errors.New("nested deeper") // than the limit
	errTrailing = errors.New("there is more after the value")
)

// Check returns nil if document is a settings document: one JSON object within the
// limits. Otherwise it returns an error that wraps [ErrMalformed], [ErrInvalid] or
// [ErrTooLarge] and says where the fault is.
func (l Limits) Check(document []byte) error {
	found, err := l.survey(document, l.Depth)
	if err != nil {
		return err
	}
	if err := found.object(); err != nil {
		return err
	}
	return l.keys(found)
}

// survey has the sizes of a body that have limits.
type survey struct {
	kind    jsontext.Kind // of the value
	depth   int           // levels of nested objects and arrays
	keys    int           // of all objects together
	longest int           // bytes of the longest of them
	place   string        // of the first key that is too long
}

func (s survey) object() error {
	if s.kind != '{' {
		return fmt.Errorf("%w: the document is not an object", ErrInvalid)
	}
	return nil
}

func (l Limits) keys(s survey) error {
	switch {
	case s.keys > l.Keys:
		return fmt.Errorf("%w: more than %d keys", ErrInvalid, l.Keys)
	case s.longest > MaxKey:
		return fmt.Errorf("%w: a key is over %d bytes, %s", ErrInvalid, MaxKey, s.place)
	}
	return nil
}

// survey reads a body to its end. It checks what every body must satisfy: its size, its numbers,
// that it is one strict JSON value and isn't deeper than depth.
func (l Limits) survey(body []byte, depth int) (survey, error) {
	if len(body) > l.Bytes {
		return survey{}, fmt.Errorf("%w: %d bytes, and at most %d are allowed", ErrTooLarge,
			len(body), l.Bytes)
	}
	if len(jsontree.Trim(body)) == 0 {
		return survey{}, fmt.Errorf("%w: the body is empty", ErrMalformed)
	}
	s := surveyor{body: body, decoder: jsontree.NewDecoder(body), limit: depth}
	for {
		if err := s.token(); errors.Is(err, io.EOF) {
			return s.found, s.number
		} else if err != nil {
			return survey{}, s.malformed(err)
		}
	}
}

// surveyor walks through the tokens of a body. It remembers a number out of range and goes on,
// since a body that isn't JSON is reported as that.
type surveyor struct {
	body    []byte
	decoder *jsontext.Decoder
	limit   int // of the depth
	found   survey
	number  error
}

// token reads one. Its error is the decoder's: io.EOF at the end.
func (s *surveyor) token() error {
	kind, depth := s.decoder.PeekKind(), s.decoder.StackDepth()
	if depth == 0 {
		if s.found.kind != jsontext.KindInvalid {
			return s.end(kind)
		}
		s.found.kind = kind
	}
	switch kind {
	case '"', '0':
		return s.scalar(kind)
	case '{', '[':
		if depth >= s.limit {
			// Nothing below is worth reading, however deep an attacker went.
			return fmt.Errorf("%w than %d levels", errDeep, s.limit)
		}
		s.found.depth = max(s.found.depth, depth+1)
	}
	_, err := s.decoder.ReadToken()
	return err
}

// end makes sure that nothing comes after the value. It reads no token of what does, so the decoder
// stays before it.
func (s *surveyor) end(kind jsontext.Kind) error {
	if kind == jsontext.KindInvalid {
		if _, err := s.decoder.ReadToken(); errors.Is(err, io.EOF) {
			return err
		}
	}
	return errTrailing
}

// scalar reads a string or a number.
func (s *surveyor) scalar(kind jsontext.Kind) error {
	parent, position := s.decoder.StackIndex(s.decoder.StackDepth())
	value, err := s.decoder.ReadValue()
	if err != nil {
		return err
	}
	switch {
	case kind == '0' && s.number == nil:
		if err := checkNumber(value); err != nil {
			s.number = fmt.Errorf("%w, %s", err, s.placeOf(value))
		}
	case parent == '{' && position%2 == 0: // names and values take turns
		s.found.keys++
		s.found.longest = max(s.found.longest, len(value)-len(`""`))
		if s.found.longest > MaxKey && s.found.place == "" {
			s.found.place = s.placeOf(value)
		}
	}
	return nil
}

// placeOf tells where the value is that was read last.
func (s *surveyor) placeOf(value []byte) string {
	return jsontree.Place(s.body, s.decoder.InputOffset()-int64(len(value)))
}

// checkNumber refuses numbers that a reader can't keep as IEEE 754 doubles at all (RFC 8259 section
// 6). Losing precision is the reader's own choice.
func checkNumber(spelling []byte) error {
	if len(spelling) > MaxDigits {
		return fmt.Errorf("%w: a number is over %d digits", ErrInvalid, MaxDigits)
	}
	if f, err := strconv.ParseFloat(string(spelling), 64); err != nil || math.IsInf(f, 0) {
		return fmt.Errorf("%w: the number %s is beyond the range of a double", ErrInvalid, spelling)
	}
	return nil
}

// malformed words an error for the person who sent the document. Those of our own are about what
// comes next.
func (s *surveyor) malformed(err error) error {
	if errors.Is(err, errDeep) || errors.Is(err, errTrailing) {
		place := jsontree.Place(s.body, jsontree.Next(s.body, s.decoder.InputOffset()))
		return fmt.Errorf("%w: %w, %s", ErrMalformed, err, place)
	}
	return jsontree.Malformed(s.body, err)
}

// next returns the document after a change.
func next(d *jsontree.Document, created bool) Next {
	return Next{Document: d.Bytes(), Created: created}
}

// within returns the document after a change if it is within the limits.
func (l Limits) within(d *jsontree.Document, created bool) (Next, error) {
	changed := next(d, created)
	if size := len(changed.Document); size > l.Bytes {
		return Next{}, fmt.Errorf(
			"%w: the document would have %d bytes, and at most %d are allowed",
			ErrTooLarge, size, l.Bytes)
	}
	err := l.Check(changed.Document)
	if errors.Is(err, errDeep) {
		// The body was not too deep, so this isn't reported as malformed.
		err = fmt.Errorf("%w: the document would be nested deeper than %d levels", ErrInvalid,
			l.Depth)
	}
	if err != nil {
		return Next{}, err
	}
	return changed, nil
}
