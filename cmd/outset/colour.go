package main

import (
	"io"
	"os"

	"github.com/tidwall/pretty"

	"github.com/outset-settings/outset/internal/program"
)

// hasColour tells whether to print colours.
func hasColour(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && program.HasColour(f)
}

// bold returns a text in bold, if w has that.
func bold(w io.Writer, text string) string {
	if !hasColour(w) {
		return text
	}
	return "\x1b[1m" + text + "\x1b[0m"
}

// coloured returns JSON with colours, if w has them.
func coloured(w io.Writer, text string) string {
	if !hasColour(w) {
		return text
	}
	return string(pretty.Color([]byte(text), nil))
}
