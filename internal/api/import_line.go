package api

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"

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
	m := lineMembers{reader: reader{text: text, json: &p.decoder}}
	if err := m.read(); err != nil {
		return importLine{number: number, failure: malformedLine(m.placed(err).Error())}
	}
	l := importLine{number: number, user: m.user, document: m.document, end: m.isEnd}
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
	reader

	user      string
	document  []byte
	documents int
	isEnd     bool
	users     string // its JSON
}

// read reads the line's one object.
func (m *lineMembers) read() error {
	if err := m.object(m.take); err != nil {
		return err
	}
	return m.end()
}

// take reads the value of a member.
func (m *lineMembers) take(name string) (err error) {
	var value []byte
	switch name {
	case "user":
		m.user, err = m.string("user is not a string")
	case "text":
		var text string
		text, err = m.string("text is not a string")
		m.document = []byte(text)
		m.documents++
	case "settings":
		value, err = m.value()
		m.document = slices.Clone(value) // byte for byte
		m.documents++
	case "end":
		value, err = m.value()
		m.isEnd = string(value) == "true"
	case "users":
		value, err = m.value()
		m.users = string(value)
	case "version", "etag", "time": // of the export: an import makes new ones
		_, err = m.value()
	default:
		err = unknownMember(name, "user", "settings", "text", "version", "etag", "time", "end",
			"users")
	}
	return err
}
