// Package testdocs lets tests do what the documentation says.
package testdocs

import (
	"os"
	"regexp"
	"testing"
)

// Block returns the block of docs/operations.md in a language. The test's folder is two levels below
// the root.
func Block(t testing.TB, language string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)\n```" + language + "\n(.*?)\n```\n").FindSubmatch(text)
	if block == nil {
		t.Fatalf("docs/operations.md has no block of %s", language)
	}
	return string(block[1])
}
