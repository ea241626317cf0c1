// Package jsontree holds JSON texts that are edited in place: whatever an edit doesn't touch keeps
// its bytes, white space and the spelling of numbers and strings included. It knows JSON and
// nothing of settings.
package jsontree

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// ErrMalformed is what every error about a text wraps that is not JSON as RFC 8259 and RFC 7493
// (I-JSON) define it.
var ErrMalformed = errors.New("malformed")

var errTrailing = errors.New("there is more after the value")

// spareBytes is what most edits add at most. Without it the text would be copied while it is
// written.
const spareBytes = 256

// Document is a text that is being edited.
type Document struct {
	Root          Node
	before, after string // white space around it
}

// Parse takes a text apart, of which it keeps a copy. Keys may be repeated. Its errors wrap
// [ErrMalformed].
func Parse(text []byte) (Document, error) { return ParseTo(text, math.MaxInt) }

// ParseTo is Parse down to so many levels of objects and arrays, for those who know how deep they
// step: what is deeper is checked, but kept as [Raw]. Of a text with thousands of small values that
// is most of the work.
func ParseTo(text []byte, levels int) (Document, error) { return parse(text, levels, true) }

// ParseObjects is ParseTo for those who step into no array.
func ParseObjects(text []byte, levels int) (Document, error) { return parse(text, levels, false) }

func parse(text []byte, levels int, arrays bool) (Document, error) {
	p := &parser{
		spelt: string(text), decoder: NewDecoder(text, jsontext.AllowDuplicateNames(true)),
		levels: levels, arrays: arrays,
	}
	before, root, err := p.parse()
	if err != nil {
		return Document{}, Malformed(text, err)
	}
	return Document{Root: root, before: before, after: p.spelt[p.at:]}, nil
}

// Bytes returns the text as it has become.
func (d *Document) Bytes() []byte {
	text := make([]byte, 0, len(d.before)+len(d.Root.spelt)+len(d.after)+spareBytes)
	text = append(text, d.before...)
	return append(d.Root.write(text), d.after...)
}

// NewDecoder returns a decoder that works in place, as it does over a bytes.Buffer: it neither
// copies nor changes the text. It refuses bad UTF-8, and repeated keys unless an option allows
// them.
func NewDecoder(text []byte, options ...jsontext.Options) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewBuffer(text), options...)
}

// Malformed words a decoder's error for the person who sent the text. The result wraps
// [ErrMalformed].
func Malformed(text []byte, err error) error {
	return fmt.Errorf("%w: %s", ErrMalformed, Worded(text, err))
}

// Trim returns the text without the white space around it.
func Trim(text []byte) []byte { return bytes.Trim(text, " \t\r\n") }

// Quote returns the text as a JSON string. It must be UTF-8.
func Quote(text string) string {
	quoted, _ := jsontext.AppendQuote(nil, text) // fails on bad UTF-8 only
	return string(quoted)
}

// Unquote returns what a JSON string says. Without escapes that is a part of it, not a copy.
func Unquote(spelt string) (string, error) {
	if strings.IndexByte(spelt, '\\') < 0 {
		return spelt[1 : len(spelt)-1], nil
	}
	says, err := jsontext.AppendUnquote(nil, spelt)
	return string(says), err
}

var escapes = strings.NewReplacer("~", "~0", "/", "~1")

// Pointer returns the path as a JSON pointer (RFC 6901).
func Pointer(path ...string) string {
	var b strings.Builder
	for _, token := range path {
		b.WriteByte('/')
		b.WriteString(escapes.Replace(token))
	}
	return b.String()
}

// Short cuts a text for an error message: what came in a request may have any length.
func Short(text string) string { return Cut(text, 100) }

// Cut shortens a text to at most so many bytes, at a whole character, and makes it valid UTF-8.
func Cut(text string, most int) string {
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
