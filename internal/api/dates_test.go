package api_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestDatesLoseNoWrites: a write with the Last-Modified of what its sender has read is refused once
// others have written, even within the same second, and however many they were.
func TestDatesLoseNoWrites(t *testing.T) {
	t.Parallel()
	const document, a, b = "/settings", `{"by":"a"}`, `{"by":"b"}`
	s := newSystem(t, apiConfig)
	s.startWorker()
	for name, others := range map[string][]string{
		"one":      {"PUT /settings"},
		"two":      {"PUT /settings", "PUT /settings"},
		"three":    {"PUT /settings", "PATCH /settings", "PUT /settings/by"},
		"deletion": {"DELETE /settings"},
		"erasure":  {"DELETE "},
		"restored": {"PUT /settings", "POST /history/1/restore"},
	} {
		user := "/user/" + name
		read := "If-Unmodified-Since: " +
			s.do(http.MethodPut, user+document, a, isJSON).header.Get("Last-Modified")
		for _, other := range others {
			method, path, _ := strings.Cut(other, " ")
			body := ""
			if method != http.MethodDelete && method != http.MethodPost {
				body = b
			}
			if w := s.do(method, user+path, body, isJSON); w.status >= 300 {
				t.Fatalf("%s: %s: %+v", name, other, w)
			}
		}
		w := s.do(http.MethodPut, user+document, a, isJSON, read)
		if w.status != 412 || !strings.Contains(w.body, "If-Match") {
			t.Errorf("%s: %+v", name, w)
		}
	}
}

// TestDateOfOneVersion: a date that only the current version has is a condition like its tag: of
// two writers who have read it one succeeds.
func TestDateOfOneVersion(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	const path = "/user/ann/settings"
	write := func(header ...string) answer {
		return s.do(http.MethodPut, path, `{}`, append(header, isJSON)...)
	}
	write()
	first := write().header.Get("Last-Modified")
	var date string
	eventually(t, "a second begins", func() bool {
		date = write().header.Get("Last-Modified")
		return date != first
	})
	for i, want := range []int{200, 412} {
		if w := write("If-Unmodified-Since: " + date); w.status != want {
			t.Errorf("writer %d: %+v, want %d", i+1, w, want)
		}
	}
}
