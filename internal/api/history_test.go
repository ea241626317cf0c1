package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// page is the answer of GET /user/{id}/history.
type page struct {
	Versions []struct {
		Version   int64
		Time      time.Time
		Operation string
		Restored  int64
		Size      int
		Dropped   bool
	}
	Next string
}

func (s *system) history(path string) (p page, a answer) {
	s.t.Helper()
	a = s.do(http.MethodGet, path, "")
	if err := json.Unmarshal([]byte(a.body), &p); a.status != http.StatusOK || err != nil {
		s.t.Fatalf("%s: %d %s", path, a.status, a.body)
	}
	return p, a
}

// TestHistory: every version with what made it, the newest first, page by page.
func TestHistory(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	began := time.Now().Add(-time.Second) // two clocks that round differently
	s.story(t, "writes",
		exchange{"PUT /user/a%2Fb/settings", isJSON, `{"a":1}`, 200, "", ""},
		exchange{"POST /user/a%2Fb/settings", isJSON, `{"a":12}`, 200, "", ""},
		exchange{"PATCH /user/a%2Fb/settings", isMerge, `{"a":123}`, 200, "", ""},
		exchange{"PATCH /user/a%2Fb/settings", isPatch, `[{"op":"add","path":"/a","value":1234}]`, 200, "", ""},
		exchange{"PUT /user/a%2Fb/settings/a", isJSON, `12345`, 200, "", ""},
		exchange{"DELETE /user/a%2Fb/settings/a", "", "", 204, "", ""},
		exchange{"DELETE /user/a%2Fb/settings", "", "", 204, "", ""},
		exchange{"POST /user/a%2Fb/history/5/restore", "", "", 200, "", ""},
		exchange{"PUT /user/a%2Fb/settings", lines(isJSON, "If-Match: *"), `{"a":1}`, 200, "", ""})

	const want = "9 replace 7, 8 restore 11, 7 delete 0, 6 delete-value 2, 5 set-value 11, 4 json-patch 10, 3 merge-patch 9, 2 replace 8, 1 replace 7"
	all, a := s.history("/user/a%2Fb/history")
	if got := all.String(); got != want || all.Next != "" || a.header.Get("Link") != "" {
		t.Errorf("got %s, next %q\nwant %s", got, all.Next, want)
	}
	for _, v := range all.Versions {
		if v.Operation == "restore" && v.Restored != 5 ||
			v.Operation != "restore" && v.Restored != 0 {
			t.Errorf("version %d: %s of %d", v.Version, v.Operation, v.Restored)
		}
		if v.Time.Before(began) || v.Time.After(time.Now().Add(time.Second)) {
			t.Errorf("version %d is of %v", v.Version, v.Time)
		}
	}
	var (
		pages []string
		next  = "/user/a%2Fb/history?limit=4"
	)
	for next != "" {
		p, a := s.history(next)
		pages = append(pages, p.String())
		if link := a.header.Get("Link"); p.Next != "" && link != "<"+p.Next+`>; rel="next"` {
			t.Errorf("Link is %q, next %q", link, p.Next)
		}
		next = follow(t, next, p.Next)
	}
	if got := strings.Join(pages, ", "); got != want || len(pages) != 3 {
		t.Errorf("in %d pages: %s\nwant %s", len(pages), got, want)
	}
	if p, _ := s.history(
		"/user/a%2Fb/history?before=3&limit=100",
	); p.String() != "2 replace 8, 1 replace 7" || p.Next != "" {
		t.Errorf("before 3: %s, next %q", p, p.Next)
	}
	if p, _ := s.history("/user/a%2Fb/history?before=1"); len(p.Versions) != 0 {
		t.Errorf("before 1: %s", p)
	}
}

func (p page) String() string {
	var versions []string
	for _, v := range p.Versions {
		versions = append(versions, fmt.Sprintf("%d %s %d", v.Version, v.Operation, v.Size))
	}
	return strings.Join(versions, ", ")
}

// TestLastModified: what the headers say is what the history says.
func TestLastModified(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	written := s.do(http.MethodPut, "/user/42/settings", `{}`, isJSON, "Idempotency-Key: k").header.Get("Last-Modified")
	p, _ := s.history("/user/42/history")
	if want := p.Versions[0].Time.Format(http.TimeFormat); written != want {
		t.Errorf("PUT says %q, the history %q", written, want)
	}
	for _, path := range []string{"/user/42/settings", "/user/42/history/1"} {
		if got := s.do(http.MethodGet, path, "").header.Get("Last-Modified"); got != written {
			t.Errorf("%s: Last-Modified is %q, want %q", path, got, written)
		}
	}
	if got := s.do(http.MethodPut, "/user/42/settings", `{}`, isJSON, "Idempotency-Key: k").header.Get("Last-Modified"); got != written {
		t.Errorf("the repetition says %q, want %q", got, written)
	}
}
