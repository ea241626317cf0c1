package api_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/outset-settings/outset/pkg/messages"
)

// answering is a fake worker that answers each operation by itself.
func (s *system) answering(subject string, answer func(messages.Operation) messages.Result) {
	s.t.Helper()
	s.startFake(subject, func(r messages.Request) *messages.Reply {
		var reply messages.Reply
		for _, o := range r.Operations {
			reply.Results = append(reply.Results, answer(o))
		}
		return &reply
	})
}

// TestUsersPages: a client that follows next sees every user once, whatever the ids are and however
// short the pages.
func TestUsersPages(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	ids := []string{
		"'", "..", "42", "a/b", "a b", "ann@example.org", "quo\"te\\",
		strings.Repeat("x", messages.MaxUser), "👩‍👧",
	}
	slices.Sort(ids)
	var lists []messages.Listing
	s.answering(messages.ReadSubject, func(o messages.Operation) messages.Result {
		lists = append(lists, *o.List)
		var r messages.Result
		at, _ := slices.BinarySearch(ids, o.List.After+"\x00")
		for _, id := range ids[at:min(at+len(lists)%3, len(ids))] { // none, one or two
			r.Users = append(r.Users, messages.User{
				ID: id, Version: 3, Modified: 1764000000120, Document: []byte("{ \"a\":1.0}"),
			})
			r.Next = id
		}
		if r.Next == "" {
			r.Next = o.List.After
		}
		if r.Next == ids[len(ids)-1] {
			r.Next = ""
		}
		return r
	})
	var seen []string
	next := "/users?include=settings&limit=2&updated_since=" +
		url.QueryEscape("2026-11-23T15:04:05.5+01:00")
	for next != "" {
		a := s.do(http.MethodGet, next, "")
		var page struct {
			Users []struct{ User string }
			Next  string
		}
		if err := json.Unmarshal([]byte(a.body), &page); a.status != http.StatusOK || err != nil {
			t.Fatalf("%s: %d %s", next, a.status, a.body)
		}
		if link := a.header.Get("Link"); link != "" && link != "<"+page.Next+`>; rel="next"` || (link == "") != (page.Next == "") {
			t.Errorf("%s: Link is %q", next, link)
		}
		for _, u := range page.Users {
			seen = append(seen, u.User)
		}
		next = page.Next
	}
	if !slices.Equal(seen, ids) {
		t.Errorf("seen: %q", seen)
	}
	for _, l := range lists {
		if l.Limit != 2 || !l.Documents || l.Since != 1795442645500000 {
			t.Errorf("asked for %+v", l)
		}
	}
}

// TestUsersAnswer: what an answer looks like.
func TestUsersAnswer(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.answering(messages.ReadSubject, func(o messages.Operation) messages.Result {
		if o.List.After != "" {
			return messages.Result{}
		}
		return messages.Result{Next: "42", Users: []messages.User{
			{ID: `"`, Version: 1, Modified: 1764000000000, Document: []byte("{\n\"<\":1.0}")},
			{ID: "42", Version: 3, Modified: 1764000000120, Document: []byte("{}")},
		}}
	})
	next := "/users?after=" + base64.RawURLEncoding.EncodeToString([]byte("\x0142")) + "&limit="
	const first, second = `{"user":"\"","version":1,"time":"2025-11-24T16:00:00Z"`, `{"user":"42","version":3,"time":"2025-11-24T16:00:00.12Z"`
	s.story(t, "users",
		exchange{"GET /users", "", "", 200, lines("Content-Type: application/json", "ETag:", "Link: <"+next+`100>; rel="next"`), `{"users":[` + first + "}," + second + `}],"next":"` + next + `100"}`},
		exchange{"GET /users?include=settings&limit=500", "", "", 200, "", `{"users":[` + first + ",\"settings\":{\n\"<\":1.0}}," + second + `,"settings":{}}],"next":"` + next + `500&include=settings"}`},
		exchange{"HEAD /users", "", "", 200, "", nothing},
		exchange{"GET " + next + "2", "", "", 200, "Link:", `{"users":[]}`},
		exchange{"POST /users", isJSON, `{}`, 405, "Allow: GET, HEAD", problem("method-not-allowed")},
		exchange{"GET /users/", "", "", 404, "", problem("not-found")})
	cursor := func(content string) string {
		return "after=" + base64.URLEncoding.EncodeToString([]byte(content))
	}
	for _, query := range []string{
		"limit=0", "limit=501", "limit=-1", "limit=x", "limit=1.5", "include=all",
		"include=Settings",
		"updated_since=yesterday", "updated_since=2026-11-24", "updated_since=2026-11-24T18:00:00",
		"updated_since=2026-11-24T18:00:00+01:00", "updated_since=1764000000",
		"after=42", "after=AQ", "after=A", "after=%00", "after=ATQy%0A", "after=ATQz=",
		cursor("\x01423"), cursor("\x0242x"), cursor("\x01\xff\xff"), cursor("\x01a\x00b"),
		cursor("\x01" + strings.Repeat("x", messages.MaxUser+1)),
	} {
		s.story(t, query, exchange{
			"GET /users?" + query, "", "", 400, "Link:", problem("malformed"),
		})
	}
}

// TestUsersRefused: what can't be listed now is a problem like any other.
func TestUsersRefused(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	failed(t, s.do(http.MethodGet, "/users", ""), http.StatusServiceUnavailable, "unavailable")
	s.startFake(messages.ReadSubject, func(messages.Request) *messages.Reply {
		return &messages.Reply{Results: []messages.Result{{Kind: messages.KindUnknownAction}}}
	})
	failed(t, s.do(http.MethodGet, "/users", ""), http.StatusServiceUnavailable, "unavailable")
}
