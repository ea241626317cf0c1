package program

import (
	"os"

	"golang.org/x/term"
)

// HasColour tells whether to print colours: to a terminal that has some, unless somebody wants none
// (no-color.org).
func HasColour(f *os.File) bool {
	switch os.Getenv("TERM") {
	case "", "dumb":
		return false
	}
	return os.Getenv("NO_COLOR") == "" && term.IsTerminal(int(f.Fd()))
}

// red is a text in red, if f has colours.
func red(f *os.File, text string) string {
	if !HasColour(f) {
		return text
	}
	return "\x1b[1;31m" + text + "\x1b[0m"
}
