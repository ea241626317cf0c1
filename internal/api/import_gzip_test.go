package api_test

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// zip is a text as gzip.
func zip(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestImportGzip: an import may be compressed, in one part or several, and no bomb goes off.
func TestImportGzip(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	const one, two = `{"user":"ann","settings":{"a":1}}` + "\n", `{"user":"bob","settings":{}}` + "\n"
	cut := zip(t, one+two)
	long := `{"user":"` + strings.Repeat("x", 4<<20) + `"}` + "\n"
	for name, c := range map[string]struct {
		body string
		want []string
	}{
		"one part":   {zip(t, one+two), []string{"1 ann: 200", "2 bob: 200", "end: 2"}},
		"two parts":  {zip(t, one) + zip(t, two), []string{"1 ann: 200", "2 bob: 200", "end: 2"}},
		"no lines":   {zip(t, ""), []string{"end: 0"}},
		"nothing":    {"", []string{"error malformed"}},
		"no gzip":    {one, []string{"error malformed"}},
		"cut":        {cut[:len(cut)-6], []string{"1 ann: 200", "2 bob: 200", "error malformed"}},
		"a bad sum":  {cut[:len(cut)-8] + "xxxxxxxx", []string{"1 ann: 200", "2 bob: 200", "error malformed"}},
		"more after": {cut + one, []string{"1 ann: 200", "2 bob: 200", "error malformed"}},
		"a long line": {
			zip(t, one+long+two), []string{"1 ann: 200", "error too-large"},
		},
		"blank lines": {
			zip(t, one+strings.Repeat("\n", 8<<20)+two), []string{"1 ann: 200", "error too-large"},
		},
	} {
		// an answer that ends with an error is cut
		a, _ := s.try("POST", "/users/import", c.body, isLines, "Content-Encoding: gzip")
		got := outcomes(t, a.body)
		matches := slices.EqualFunc(got, c.want, strings.HasPrefix)
		if a.status != http.StatusOK || !matches {
			t.Errorf("%s: %d %q, want %q", name, a.status, got, c.want)
		}
	}
	bomb := zip(t, strings.Repeat(`{"user":"`+strings.Repeat("x", 60<<10)+`"}`+"\n", 2500)) // 150 MB
	a, _ := s.try("POST", "/users/import", bomb, isLines, "Content-Encoding: X-GZIP")
	if all := outcomes(t, a.body); all[len(all)-1] != "error too-large" {
		t.Errorf("a bomb of %d bytes: %d outcomes, the last is %s", len(bomb), len(all),
			all[len(all)-1])
	}
}
