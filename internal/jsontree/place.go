package jsontree

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Place tells a person where in a text the byte at offset is: line and column, both from 1, or the
// column alone in a text of one line. A column is a character.
func Place(text []byte, offset int64) string {
	before := text[:min(max(int(offset), 0), len(text))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	if line == 1 && bytes.IndexByte(Trim(text), '\n') < 0 {
		return fmt.Sprintf("at column %d", column)
	}
	return fmt.Sprintf("at line %d, column %d", line, column)
}

// Next is the offset of the token after the one that ends at offset.
func Next(text []byte, offset int64) int64 {
	rest := text[min(max(int(offset), 0), len(text)):]
	return int64(len(text) - len(bytes.TrimLeft(rest, " \t\r\n,:")))
}

// Worded is what a decoder's error about a text tells the person who sent it: what is wrong, and
// where.
func Worded(text []byte, err error) string {
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "the JSON ends too early, " + Place(text, int64(len(text)))
	case !errors.As(err, &syntax):
		return strings.TrimPrefix(err.Error(), prefix)
	}
	cause := syntax.Err
	if escape := loneSurrogate(text, syntax.ByteOffset); escape != "" {
		cause = fmt.Errorf("lone surrogate %s, half of a character, in string", escape)
	}
	// Without the offset, which the place stands for.
	what := (&jsontext.SyntacticError{Err: cause, JSONPointer: syntax.JSONPointer}).Error()
	return strings.TrimPrefix(what, prefix) + ", " + Place(text, syntax.ByteOffset)
}

const prefix = "jsontext: "

// surrogate matches the escape of half a character beyond the first 65,536, at the beginning.
var surrogate = regexp.MustCompile(`^\\u[dD][89a-fA-F][0-9a-fA-F]{2}`)

// loneSurrogate is the escape at offset if that is the half of a character. JavaScript's
// JSON.stringify makes one of a text that was cut inside an emoji.
func loneSurrogate(text []byte, offset int64) string {
	return string(surrogate.Find(text[min(max(int(offset), 0), len(text)):]))
}
