//go:build unix

package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestHeaders: requests have the headers of --header, those of a file too, beside the token.
func TestHeaders(t *testing.T) {
	t.Parallel()
	asked := make(chan *http.Request, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"1"`)
		_, _ = io.WriteString(w, "{}")
		asked <- r
	}))
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "headers")
	if err := os.WriteFile(file, []byte("X-Secret: s\r\n\nX-More:2, 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	// The URL has no scheme, which is all right on this machine.
	code, _, stderr := run(t, env("OUTSET_TOKEN=abc"), "--server", strings.TrimPrefix(server.URL, "http://"),
		"--header", "X-More: 1,5", "--header=@"+file, "get", "--header", "host:outset.example", "42")
	if code != 0 {
		t.Fatal(code, stderr)
	}
	r := <-asked
	for name, want := range map[string]string{
		"X-Secret": "s", "X-More": "1,5, 2, 3", "Authorization": "Bearer abc",
	} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if r.Host != "outset.example" {
		t.Error(r.Host)
	}
}

// TestServerWithoutScheme: only a server on this machine may be named without http://.
func TestServerWithoutScheme(t *testing.T) {
	t.Parallel()
	for server, want := range map[string]string{
		"127.0.0.1:8080":       "http://127.0.0.1:8080",
		"localhost:8080/path":  "http://localhost:8080/path",
		"[::1]:8080":           "http://[::1]:8080",
		"outset.example:8080":  "outset.example:8080",
		"localhost":            "localhost",
		"https://outset.local": "https://outset.local",
	} {
		if got := withScheme(server); got != want {
			t.Errorf("%s: %s, want %s", server, got, want)
		}
	}
}
