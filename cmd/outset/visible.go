package main

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
)

// visible returns a text that is safe to print on a terminal. Control characters, and characters
// that are invisible or change the direction of the text, are escaped as in JSON.
func visible(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r == '\n' || r == '\t' || !unicode.In(r, unicode.Cc, unicode.Cf) {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.String()
}
