package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/gofiber/fiber/v2"

	"github.com/outset-settings/outset/internal/jsontree"
	"github.com/outset-settings/outset/pkg/messages"
)

// The JSON bodies that are not users' documents or schemas are read strictly: a member that isn't
// known is an error, since whoever misspells one must not get the answer to another request.

// maxMembers bounds the search for duplicate names.
const maxMembers = 100

// reader reads a body, and knows where what it read last began.
type reader struct {
	text []byte
	json *jsontext.Decoder
	at   int64
}

func newReader(text []byte, options ...jsontext.Options) reader {
	return reader{text: text, json: jsontree.NewDecoder(text, options...)}
}

// decodeStrictly reads one object that has these members only.
func decodeStrictly(body []byte, v any, known ...string) error {
	r := newReader(body)
	err := r.object(func(name string) error {
		if !slices.Contains(known, name) {
			return unknownMember(name, known...)
		}
		_, err := r.value()
		return err
	})
	if err == nil {
		err = r.end()
	}
	if err != nil {
		return r.placed(err)
	}
	err = json.Unmarshal(body, v)
	if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) {
		err = fmt.Errorf("%s can't be a JSON %s", wrong.Field, wrong.Value)
	}
	return err
}

// takeNothing is for routes whose body has nothing to say: without one, or with an object without
// members.
func takeNothing(c *fiber.Ctx) error {
	if waits(c) {
		return errContinue
	}
	body := c.Request().Body()
	if len(body) == 0 {
		return nil
	}
	if err := decodeStrictly(body, &struct{}{}); err != nil {
		return problem{
			kind:   messages.KindMalformed,
			detail: messages.Detail("this request takes no body: " + err.Error()),
		}
	}
	return nil
}

// placed words an error for whoever sent the body: what is wrong, and where.
func (r *reader) placed(err error) error {
	for cause := err; cause != nil; cause = errors.Unwrap(cause) {
		if fromDecoder(cause) {
			context := strings.TrimSuffix(err.Error(), cause.Error())
			return errors.New(context + jsontree.Worded(r.text, cause))
		}
	}
	return fmt.Errorf("%w, %s", err, jsontree.Place(r.text, r.at))
}

func fromDecoder(err error) bool {
	_, syntax := err.(*jsontext.SyntacticError) //nolint:errorlint // placed unwraps it
	return syntax || err == io.EOF || err == io.ErrUnexpectedEOF
}

func (r *reader) token() (jsontext.Token, error) {
	r.at = jsontree.Next(r.text, r.json.InputOffset())
	return r.json.ReadToken()
}

// end makes sure that there is nothing more.
func (r *reader) end() error {
	if _, err := r.token(); errors.Is(err, io.EOF) {
		return nil
	}
	return errors.New("there is more after the end")
}

// object reads an object, and calls member to read the value of each member. A duplicate name is an
// error.
func (r *reader) object(member func(name string) error) error {
	if err := r.open('{', "it must be an object"); err != nil {
		return err
	}
	var seen []string
	for r.json.PeekKind() != '}' {
		name, err := r.string("")
		switch {
		case err != nil:
			return err
		case slices.Contains(seen, name):
			return fmt.Errorf("the member %.40q occurs twice", name)
		case len(seen) == maxMembers:
			return fmt.Errorf("it has more than %d members", maxMembers)
		}
		seen = append(seen, name)
		if err := member(name); err != nil {
			return err
		}
	}
	_, err := r.token()
	return err
}

// open reads the beginning of an object or an array.
func (r *reader) open(kind jsontext.Kind, otherwise string) error {
	token, err := r.token()
	if err == nil && token.Kind() != kind {
		return errors.New(otherwise)
	}
	return err
}

func (r *reader) string(otherwise string) (string, error) {
	token, err := r.token()
	switch {
	case err != nil:
		return "", err
	case token.Kind() != '"':
		return "", errors.New(otherwise)
	}
	return token.String(), nil
}

// value returns a value byte for byte.
func (r *reader) value() ([]byte, error) {
	value, err := r.json.ReadValue()
	if err != nil {
		return nil, err
	}
	end := r.json.InputOffset() // value is valid only until the next read, so take it from the text
	r.at = end - int64(len(value))
	return r.text[r.at:end:end], nil
}
