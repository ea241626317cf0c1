package api_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
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

// rows answers listings as a worker does that has these rows and looks at two of them, or more
// where more are asked for. Those for which wanted is false are not listed.
func (s *system) rows(ids []string, wanted func(i int) bool) (asked func() []messages.Listing) {
	var mu sync.Mutex
	var lists []messages.Listing
	s.answering(messages.ReadSubject, func(o messages.Operation) messages.Result {
		mu.Lock()
		defer mu.Unlock()
		lists = append(lists, *o.List)
		var r messages.Result
		at, _ := slices.BinarySearch(ids, o.List.After+"\x00")
		end := min(at+o.List.Limit, len(ids))
		for i := at; i < end; i++ {
			if wanted(i) {
				r.Users = append(r.Users, messages.User{
					ID: ids[i], Version: 3, Modified: 1764000000120000, Document: []byte("{ \"a\":1.0}"),
				})
			}
		}
		if end < len(ids) {
			r.Next = ids[end-1]
		}
		return r
	})
	return func() []messages.Listing {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(lists)
	}
}

// usersPage is a page of GET /users.
type usersPage struct {
	Users   []struct{ User string }
	Next    string
	Partial string
}

func (s *system) usersPage(t *testing.T, address string) (p usersPage) {
	t.Helper()
	a := s.do(http.MethodGet, address, "")
	if err := json.Unmarshal([]byte(a.body), &p); a.status != http.StatusOK || err != nil {
		t.Fatalf("%s: %d %s", address, a.status, a.body)
	}
	if link := a.header.Get("Link"); link != "" && link != "<"+p.Next+`>; rel="next"` ||
		(link == "") != (p.Next == "") {
		t.Errorf("%s: Link is %q", address, link)
	}
	p.Next = follow(t, address, p.Next)
	return p
}

// TestUsersPages: a client that follows next sees every user once, whatever the ids are, and each
// page but the last is full, however few of the rows are wanted.
func TestUsersPages(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	ids := []string{
		"'", "..", "42", "a/b", "a b", "ann@example.org", "quo\"te\\",
		strings.Repeat("x", messages.MaxUser), "👩‍👧",
	}
	for i := range 100 {
		ids = append(ids, fmt.Sprintf("m%03d", i))
	}
	slices.Sort(ids)
	wanted := func(i int) bool { return i < 5 || i%30 == 0 || i > len(ids)-6 }
	asked := s.rows(ids, wanted)
	var seen, want []string
	for i, id := range ids {
		if wanted(i) {
			want = append(want, id)
		}
	}
	next := "/users?include=settings&limit=2&updated_since=" +
		url.QueryEscape("2026-11-23T15:04:05.5+01:00")
	for next != "" {
		page := s.usersPage(t, next)
		if len(page.Users) != 2 && page.Next != "" || page.Partial != "" {
			t.Errorf("%s: %+v", next, page)
		}
		for _, u := range page.Users {
			seen = append(seen, u.User)
		}
		next = page.Next
	}
	if !slices.Equal(seen, want) {
		t.Errorf("seen: %q\nwant: %q", seen, want)
	}
	for _, l := range asked() {
		if l.Limit < 2 || !l.Documents || l.Since != 1795442645500000 {
			t.Errorf("asked for %+v", l)
		}
	}
}

// TestUsersPageAmongDeletedOnes: the same with a database in which most users have no document.
func TestUsersPageAmongDeletedOnes(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	for i := range 40 {
		user := fmt.Sprintf("u%02d", i)
		s.post(user, `{}`)
		if i%13 != 0 {
			s.do(http.MethodDelete, "/user/"+user+"/settings", "")
		}
	}
	first := s.usersPage(t, "/users?limit=2")
	second := s.usersPage(t, first.Next)
	if got := fmt.Sprint(first.Users, second.Users); got != "[{u00} {u13}] [{u26} {u39}]" ||
		first.Partial+second.Partial != "" {
		t.Errorf("%+v %+v", first, second)
	}
	if second.Next != "" {
		if last := s.usersPage(t, second.Next); len(last.Users) > 0 || last.Next != "" {
			t.Errorf("%+v", last)
		}
	}
}

// TestUsersPagesThatAreNotFull say why: their documents fill them, or the time is over.
func TestUsersPagesThatAreNotFull(t *testing.T) {
	t.Parallel()
	t.Run("bytes", func(t *testing.T) {
		t.Parallel()
		s := newSystem(t, apiConfig)
		s.startWorker()
		large := `{"x":"` + strings.Repeat("x", 60<<10) + `"}`
		for i := range 20 {
			s.post(fmt.Sprintf("u%02d", i), large)
		}
		seen, address := 0, "/users?limit=18&include=settings"
		for address != "" {
			page := s.usersPage(t, address)
			seen += len(page.Users)
			if full := len(page.Users) == 18; page.Next != "" && full == (page.Partial == "bytes") {
				t.Errorf("%s: %d users, next %q, partial %q", address, len(page.Users), page.Next,
					page.Partial)
			}
			address = page.Next
		}
		if seen != 20 {
			t.Errorf("seen %d users", seen)
		}
	})
	t.Run("time", func(t *testing.T) {
		t.Parallel()
		s := newSystem(t, apiConfig)
		s.rows([]string{"a", "b", "c", "d", "e"}, func(i int) bool { return i == 4 })
		p, err := s.api.ReadPage(messages.Listing{Limit: 2}, 0)
		if err != nil || p != "0 users, next b, partial time" {
			t.Errorf("%s, %v", p, err)
		}
	})
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
			{ID: `"`, Version: 1, Modified: 1764000000000000, Document: []byte("{\n\"<\":1.0}")},
			{ID: "42", Version: 3, Modified: 1764000000120000, Document: []byte("{}")},
		}}
	})
	next := "?after=" + base64.RawURLEncoding.EncodeToString([]byte("\x0142")) + "&limit="
	const first, second = `{"user":"\"","version":1,"time":"2025-11-24T16:00:00Z"`, `{"user":"42","version":3,"time":"2025-11-24T16:00:00.12Z"`
	s.story(t, "users",
		exchange{"GET /users?limit=2", "", "", 200, lines("Content-Type: application/json", "ETag:", "Link: <"+next+`2>; rel="next"`), `{"users":[` + first + "}," + second + `}],"next":"` + next + `2"}`},
		exchange{"GET /users?include=settings&limit=1", "", "", 200, "", `{"users":[` + first + ",\"settings\":{\n\"<\":1.0}}" + `],"next":"?after=ASI&limit=1&include=settings"}`},
		exchange{"GET /users", "", "", 200, "Link:", `{"users":[` + first + "}," + second + `}]}`},
		exchange{"HEAD /users", "", "", 200, "", nothing},
		exchange{"GET /users" + next + "2", "", "", 200, "Link:", `{"users":[]}`},
		exchange{"POST /users", isJSON, `{}`, 405, "Allow: GET, HEAD, OPTIONS", problem("method-not-allowed")},
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
