package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/outset-settings/outset/pkg/messages"
)

// importLine is a parsed line of an import.
type importLine struct {
	number   int // of the line in the input, from 1
	user     string
	document []byte
	failure  error // a problem; then there is nothing to apply
	end      bool  // the last line of an export, with nothing to apply
}

// size is about how many bytes of memory the line takes.
func (l *importLine) size() int { return len(l.user) + len(l.document) + 256 }

// lineParser parses the lines of an import.
type lineParser struct {
	maxDocument int
	text        bytes.Reader
	decoder     jsontext.Decoder
}

// parse parses a line. number is its number in the input; before is how many lines, without blank
// ones, the export that it belongs to has before it. The text isn't kept.
func (p *lineParser) parse(text []byte, number, before int) importLine {
	p.text.Reset(text)
	p.decoder.Reset(&p.text)
	var m lineMembers
	if err := m.read(&p.decoder); err != nil {
		return importLine{
			number: number, failure: malformedLine(strings.TrimPrefix(err.Error(), "jsontext: ")),
		}
	}
	l := importLine{number: number, user: m.user, document: m.document, end: m.end}
	if l.end {
		if m.users != "" && m.users != strconv.Itoa(before) {
			detail := fmt.Sprintf("it tells of %.20s users, but there were %d lines before it",
				m.users, before)
			l.failure = problem{kind: messages.KindInvalid, detail: detail}
		}
		return l
	}
	if err := messages.CheckUser(l.user); err != nil {
		return importLine{number: number, failure: malformedLine(err.Error())}
	}
	switch {
	case m.documents == 0:
		l.failure = malformedLine("it has neither settings nor text")
	case m.documents > 1:
		l.failure = malformedLine("it has both settings and text")
	case len(l.document) > p.maxDocument:
		l.document, l.failure = nil, tooLarge("the document", p.maxDocument)
	}
	return l
}

func malformedLine(detail string) problem {
	return problem{
		kind:   messages.KindMalformed,
		detail: messages.Detail("this line can't be taken: " + detail),
	}
}

func tooLarge(what string, most int) problem {
	return problem{
		kind:   messages.KindTooLarge,
		detail: fmt.Sprintf("%s may have at most %d bytes", what, most),
	}
}

// lineMembers are the members of a line that are used.
type lineMembers struct {
	user      string
	document  []byte
	documents int
	end       bool
	users     string // its JSON
}

// read reads the line's one object.
func (m *lineMembers) read(d *jsontext.Decoder) error {
	if token, err := d.ReadToken(); err != nil {
		return err
	} else if token.Kind() != '{' {
		return errors.New("it is not an object")
	}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return err
		}
		if err := m.take(name.String(), d); err != nil {
			return err
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	if _, err := d.ReadToken(); err == nil {
		return errors.New("there is more after the object")
	} else if !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// take reads the value of a member.
func (m *lineMembers) take(name string, d *jsontext.Decoder) (err error) {
	switch name {
	case "user":
		m.user, err = readString(name, d)
	case "text":
		var text string
		text, err = readString(name, d)
		m.document = []byte(text)
		m.documents++
	case "settings":
		var value jsontext.Value
		value, err = d.ReadValue()
		m.document = slices.Clone(value) // byte for byte
		m.documents++
	case "end", "users":
		var value jsontext.Value
		if value, err = d.ReadValue(); name == "end" {
			m.end = value.Kind() == 't'
		} else {
			m.users = string(value)
		}
	default:
		err = d.SkipValue()
	}
	return err
}

func readString(name string, d *jsontext.Decoder) (string, error) {
	token, err := d.ReadToken()
	if err != nil {
		return "", err
	}
	if token.Kind() != '"' {
		return "", fmt.Errorf("%s is not a string", name)
	}
	return token.String(), nil
}
