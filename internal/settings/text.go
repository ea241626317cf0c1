package settings

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// text is JSON that is being taken apart, in one pass. The parts are parts of spelt, a copy: they
// can be kept, and nothing can change them.
type text struct {
	spelt   string
	at      int // up to where it has been read
	decoder *jsontext.Decoder

	members []member // of the objects that are open; one gets its own when it is known how many
}

// newDecoder returns one that works in place, as it does over a bytes.Buffer: it neither copies nor
// writes. It refuses bad UTF-8, and repeated names unless told otherwise.
func newDecoder(spelt []byte, options ...jsontext.Options) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewBuffer(spelt), options...)
}

// parse takes a text apart into its value and the white space around that.
func parse(spelt []byte) (before string, value node, after string, err error) {
	// Repeated names are looked for in what is sent and in what comes of it.
	t := &text{spelt: string(spelt), decoder: newDecoder(spelt, jsontext.AllowDuplicateNames(true))}
	before, value, err = t.next()
	if err == nil {
		err = t.end()
	}
	if err != nil {
		return "", node{}, "", malformed(err)
	}
	return before, value, t.spelt[t.at:], nil
}

func (t *text) end() error {
	if _, err := t.decoder.ReadToken(); err == nil {
		return errManyValues
	} else if !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// next reads a value, or a name, or the bracket at the end, for which the node has no spelling.
// What stands between it and the one before is the gap: white space with a comma or colon.
func (t *text) next() (gap string, n node, err error) {
	switch t.decoder.PeekKind() {
	case '{':
		start, gap, err := t.bracket()
		if err == nil {
			n.object, err = t.object()
		}
		n.spelt = t.spelt[start:t.at]
		return gap, n, err
	case '[':
		start, gap, err := t.bracket()
		if err == nil {
			n.array, err = t.array()
		}
		n.spelt = t.spelt[start:t.at]
		return gap, n, err
	case '}', ']':
		_, gap, err := t.bracket()
		return gap, n, err
	}
	value, err := t.decoder.ReadValue()
	start, gap := t.step(len(value))
	n.spelt = t.spelt[start:t.at]
	return gap, n, err
}

func (t *text) bracket() (start int, gap string, err error) {
	if _, err := t.decoder.ReadToken(); err != nil {
		return t.at, "", err
	}
	start, gap = t.step(1)
	return start, gap, nil
}

// step goes past what the decoder has just read and returns where it starts.
func (t *text) step(length int) (start int, gap string) {
	end := int(t.decoder.InputOffset())
	start = end - length
	gap = t.spelt[t.at:start]
	t.at = end
	return start, gap
}

// object reads all after the opening brace.
func (t *text) object() (*object, error) {
	outer := len(t.members)
	for {
		gap, name, err := t.next()
		if err != nil {
			return nil, err
		}
		if name.spelt == "" {
			o := newObject(slices.Clone(t.members[outer:]), gap)
			t.members = t.members[:outer]
			return o, nil
		}
		m := member{gap: gap, name: name.spelt}
		if m.colon, m.value, err = t.next(); err != nil {
			return nil, err
		}
		if m.key, err = unquote(m.name); err != nil {
			return nil, err
		}
		t.members = append(t.members, m)
	}
}

// array reads all after the opening bracket.
func (t *text) array() (*array, error) {
	a := &array{}
	for {
		gap, value, err := t.next()
		if err != nil {
			return nil, err
		}
		if value.spelt == "" {
			a.finish(gap)
			return a, nil
		}
		a.append(element{gap: gap, value: value})
	}
}

// unquote returns what a string says, which is mostly a part of it.
func unquote(spelt string) (string, error) {
	if strings.IndexByte(spelt, '\\') < 0 {
		return spelt[1 : len(spelt)-1], nil
	}
	says, err := jsontext.AppendUnquote(nil, spelt)
	return string(says), err
}

// trim returns the text without the white space around it.
func trim(text []byte) []byte { return bytes.Trim(text, " \t\r\n") }
