package api_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/outset-settings/outset/pkg/messages"
)

// line is a line of an export or of an import's outcome.
type line struct {
	User     string          `json:"user"`
	Version  int64           `json:"version"`
	Settings json.RawMessage `json:"settings"`
	Text     *string         `json:"text"`

	Line    int `json:"line"`
	Status  int `json:"status"`
	Error   *struct{ Type, Kind, Detail string }
	End     bool `json:"end"`
	Users   *int `json:"users"`
	Lines   int  `json:"lines"`
	Applied int  `json:"applied"`
	Failed  int  `json:"failed"`
}

// document is what the line has, byte for byte.
func (l line) document() string {
	if l.Text != nil {
		return *l.Text
	}
	return string(l.Settings)
}

func readLines(t *testing.T, body string) []line {
	t.Helper()
	var all []line
	for text := range strings.Lines(body) {
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		all = append(all, l)
	}
	return all
}

// cutOff does a request of which the answer doesn't come to its end, and returns what came.
func (s *system) cutOff(method, path, body string, header ...string) answer {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.base+path,
		strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	response, err := s.client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(response.Body)
	if err == nil {
		s.t.Errorf("%s %s was not cut: %s", method, path, data)
	}
	return answer{response.StatusCode, response.Header, string(data), ""}
}

// TestExport: all users who have a document, each document exact.
func TestExport(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	if a := s.do("GET", "/users/export", ""); a.status != http.StatusOK ||
		a.body != "{\"end\":true,\"users\":0}\n" ||
		a.header.Get("Content-Type") != "application/x-ndjson" ||
		a.header.Get("X-Request-Id") == "" {
		t.Errorf("of nobody: %+v", a)
	}
	want := map[string]string{
		"ann": `{"a" : 1.10}`, "b\"\\<&>": `{"😀":"\u0000"}`, "日本": "{\n}", "spaces": " {} ", "tab": "\t{}", "return": "{\r}", "a/b": "{}", "B": "{}",
		"large": `{"x":"` + strings.Repeat("x", 64<<10-8) + `"}`, "breaks": strings.Repeat("\r\n", 30<<10) + "{}",
	}
	for user, document := range want {
		if a := s.do("PUT", "/user/"+escape(user)+"/settings", document,
			isJSON); a.status != http.StatusOK {
			t.Fatalf("PUT %q: %+v", user, a)
		}
	}
	s.post("deleted", `{}`)
	s.do("DELETE", "/user/deleted/settings", "")
	s.do("PATCH", "/user/ann/settings", `{}`, isMerge)

	a := s.do("GET", "/users/export", "")
	lines := readLines(t, a.body)
	var users []string
	for _, l := range lines[:len(lines)-1] {
		users = append(users, l.User)
		version := int64(1)
		if l.User == "ann" {
			version = 2
		}
		if l.document() != want[l.User] || l.Version != version ||
			(l.Text != nil) != strings.ContainsAny(string(want[l.User][0])+l.document()[1:2],
				" \t\r\n") {
			t.Errorf("%q: version %d %.100q", l.User, l.Version, l.document())
		}
	}
	if last := lines[len(lines)-1]; !last.End || *last.Users != len(want) ||
		!slices.IsSorted(users) || len(users) != len(want) {
		t.Errorf("%q, and at the end %+v", users, last)
	}
	if a := s.do("HEAD", "/users/export", ""); a.status != http.StatusOK || a.body != "" {
		t.Errorf("HEAD: %+v", a)
	}
}

// TestExportParts: more users than a part has, and more bytes.
func TestExportParts(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	const users = 1203
	var asked atomic.Int32
	s.startFake(messages.ReadSubject, func(r messages.Request) *messages.Reply {
		asked.Add(1)
		return &messages.Reply{Results: []messages.Result{partOf(r.Operations[0].List, users)}}
	})
	lines := readLines(t, s.do("GET", "/users/export", "").body)
	for i, l := range lines[:len(lines)-1] {
		if l.User != fmt.Sprintf("u%06d", i) {
			t.Fatalf("in place %d is %+v", i, l)
		}
	}
	if len(lines) != users+1 || asked.Load() != 3 {
		t.Errorf("%d lines in %d parts", len(lines), asked.Load())
	}
}

// partOf is a part of so many users.
func partOf(list *messages.Listing, users int) messages.Result {
	first := 0
	if list.After != "" {
		_, _ = fmt.Sscanf(list.After, "u%d", &first)
		first++
	}
	var r messages.Result
	for i := first; i < min(first+list.Limit, users); i++ {
		r.Users = append(r.Users, messages.User{ID: fmt.Sprintf("u%06d", i), Version: 1, Modified: 1, Document: []byte(`{"a":1}`)})
	}
	if first+list.Limit < users {
		r.Next = r.Users[len(r.Users)-1].ID
	}
	return r
}

// TestExportTrouble: what can't be had for a moment is asked for again; what fails for good ends
// the export visibly.
func TestExportTrouble(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	var asked atomic.Int32
	var bad atomic.Value
	s.startFake(messages.ReadSubject, func(r messages.Request) *messages.Reply {
		if asked.Add(1)%2 == 0 {
			return &messages.Reply{Results: []messages.Result{{Kind: bad.Load().(messages.Kind)}}} //nolint:errcheck // a panic tells as much
		}
		return &messages.Reply{Results: []messages.Result{partOf(r.Operations[0].List, 1203)}}
	})
	bad.Store(messages.KindUnavailable)
	if lines := readLines(t, s.do("GET", "/users/export", "").body); len(lines) != 1204 {
		t.Errorf("%d lines", len(lines))
	}
	asked.Store(0)
	bad.Store(messages.KindInternal)
	a := s.cutOff("GET", "/users/export", "", "X-Request-ID: r1")
	lines := readLines(t, a.body)
	last := lines[len(lines)-1]
	if len(lines) != 501 || last.End || last.Error == nil || last.Error.Type != "../problems/internal" || !strings.Contains(a.body, `"requestId":"r1"`) {
		t.Errorf("%d lines, the last %+v", len(lines), last)
	}
	asked.Store(1)
	bad.Store(messages.KindUnavailable)
	failed(t, s.do("GET", "/users/export", ""), http.StatusServiceUnavailable, "unavailable")
}

// TestExportStop: an API that stops doesn't wait for exports.
func TestExportStop(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	asked := make(chan struct{}, 1000)
	s.startFake(messages.ReadSubject, func(r messages.Request) *messages.Reply {
		asked <- struct{}{}
		part := partOf(r.Operations[0].List, 1000)
		part.Users[0].ID = r.Operations[0].List.After + "x" // it never ends
		part.Next = part.Users[0].ID
		part.Users = part.Users[:1]
		return &messages.Reply{Results: []messages.Result{part}}
	})
	base, stop := s.startAPI(apiConfig)
	s.base = base
	go func() {
		<-asked
		stop()
	}()
	a := s.cutOff("GET", "/users/export", "")
	if !strings.Contains(a.body, `{"error":{"type":"../problems/unavailable"`) {
		t.Errorf("%.200s", a.body)
	}
	stop()
}
