package main

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
)

// visible is a text for people: characters that a terminal would obey, and those that turn the
// direction of others or can't be seen at all, are spelt as JSON has them.
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
