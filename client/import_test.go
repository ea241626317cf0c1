package client_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/outset-settings/outset/client"
)

// TestImport: what one service exports another takes, byte for byte, and the other way.
func TestImport(t *testing.T) {
	t.Parallel()
	first, second, third := to(t, newSystem(t).base), to(t, newSystem(t).base),
		to(t, newSystem(t).base)
	want := saved(t, first, 120)
	var file bytes.Buffer
	if _, err := first.ExportTo(t.Context(), &file); err != nil {
		t.Fatal(err)
	}
	imports(t, second, &file, want)
	imports(t, third, client.Lines(second.Export(t.Context())), want)
}

// imports imports and compares the outcomes, and then all documents.
func imports(t *testing.T, c *client.Client, lines io.Reader, want map[string]string) {
	t.Helper()
	n := int64(0)
	for o, err := range c.Import(t.Context(), lines) {
		if n++; err != nil || o.Err != nil || o.Line != n || o.Version != 1 || want[o.User] == "" {
			t.Fatalf("%+v, %v", o, err)
		}
	}
	for s, err := range c.Export(t.Context()) {
		check(t, want, exact, s, err)
		n--
	}
	if n != 0 {
		t.Errorf("%d users more were imported than exported", n)
	}
}

// TestImportFailures: a bad line harms no other.
func TestImportFailures(t *testing.T) {
	t.Parallel()
	c, user := to(t, service), someone(t)
	lines := []struct {
		text string
		want error
	}{
		{fmt.Sprintf(`{"user":%q,"settings":{"a":1},"version":9,"time":"now"}`, user), nil},
		{`{"user":"1","settings":`, client.ErrMalformed},
		{`{"user":"\u0000","settings":{}}`, client.ErrMalformed},
		{`{"user":"1"}`, client.ErrMalformed},
		{`{"user":"1","settings":[]}`, client.ErrInvalid},
		{fmt.Sprintf(`{"user":%q,"settings":{"a":%q}}`, user, strings.Repeat("x", 64<<10)), client.ErrTooLarge},
		{fmt.Sprintf(`{"user":%q,"text":" {\n} "}`, user), nil},
	}
	var all []string
	for _, l := range lines {
		all = append(all, l.text)
	}
	n := 0
	// the last has no line break
	for o, err := range c.Import(t.Context(), strings.NewReader(strings.Join(all, "\n"))) {
		if err != nil {
			t.Fatal(err)
		}
		want := lines[n].want
		if n++; o.Line != int64(n) || !errors.Is(o.Err, want) ||
			want == nil && (o.User != user || o.Err != nil) {
			t.Errorf("%d: %+v, want %v", n, o, want)
		}
	}
	if s, err := c.Get(t.Context(), user); n != len(lines) || err != nil ||
		string(s.Document) != " {\n} " || s.Version != 2 {
		t.Errorf("%d outcomes, %+v (%s), %v", n, s, s.Document, err)
	}
	if err := lastError(c.Import(t.Context(), strings.NewReader("\n\n"))); err != nil {
		t.Errorf("nothing: %v", err)
	}
}

// TestLargeImport is more than fits into any buffer on the way, in both directions.
func TestLargeImport(t *testing.T) {
	t.Parallel()
	c, user := to(t, service), someone(t)
	const users = 3000
	document := raw(`{"text":"` + strings.Repeat("x", 2000) + `"}`)
	settings := func(yield func(client.Settings, error) bool) {
		for i := range users {
			if !yield(client.Settings{User: fmt.Sprint(user, i), Document: document}, nil) {
				return
			}
		}
	}
	n := 0
	for o, err := range c.Import(t.Context(), client.Lines(settings)) {
		if err != nil || o.Err != nil || o.User != fmt.Sprint(user, n) {
			t.Fatalf("%+v, %v", o, err)
		}
		n++
	}
	if n != users {
		t.Errorf("%d outcomes", n)
	}
}
