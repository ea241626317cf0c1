package access_test

import (
	"strings"
	"testing"
	"unicode"

	"github.com/outset-settings/outset/internal/access"
	"github.com/outset-settings/outset/pkg/messages"
)

// TestContract: this package doesn't import the contract, and says the same all the same.
func TestContract(t *testing.T) {
	t.Parallel()
	for what, same := range map[string]bool{
		"the bytes of a user id":   access.MaxSubject == messages.MaxUser,
		"how a token begins":       access.StaticPrefix == messages.TokenPrefix,
		"the one application":      access.DefaultApp == messages.DefaultApp,
		"the scope for everything": access.Admin.String() == messages.AdminScope,
	} {
		if !same {
			t.Errorf("the contract differs in %s", what)
		}
	}
	ids := []string{
		"", "ann", "a b", "日本", "a\xff", "\xc3", "a\u2028b",
		strings.Repeat("x", messages.MaxUser), strings.Repeat("x", messages.MaxUser+1),
		strings.Repeat("é", messages.MaxUser/2), strings.Repeat("é", messages.MaxUser/2) + "x",
	}
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if id := string(r); id != "\ufffd" { // which only a subject can't have, see ValidSubject
			ids = append(ids, id)
		}
	}
	for _, id := range ids {
		if err := messages.CheckUser(id); access.ValidSubject(id) != (err == nil) {
			t.Errorf("a subject %q is valid: %v; a user id: %v", id,
				access.ValidSubject(id), err)
		}
	}
}
