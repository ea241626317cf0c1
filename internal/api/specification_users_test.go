package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"testing"
	"time"
)

// TestUsersSpecification is how users are listed, against the running system.
func TestUsersSpecification(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	s.story(t, "nobody",
		exchange{"GET /users", "", "", 200, "Link:", `{"users":[]}`},
		exchange{"GET /users?after=ATQy", "", "", 200, "Link:", `{"users":[]}`})
	var want []string
	for _, id := range []string{
		"B", "a", "a/b", "é", "日本", "42", "\"", "<&>", "deleted", "erased",
		"never", "👩‍👧", "..",
	} {
		path := "/user/" + escape(id)
		if id != "never" {
			s.do(http.MethodPut, path+"/settings", fmt.Sprintf(`{"id": %q}`, id), isJSON)
		}
		switch id {
		case "never":
			s.do(http.MethodGet, path+"/settings", "")
			continue
		case "deleted":
			s.do(http.MethodDelete, path+"/settings", "")
			continue
		case "erased":
			s.do(http.MethodDelete, path, "")
			continue
		}
		want = append(want, id)
	}
	slices.Sort(want)
	for _, limit := range []int{1, 2, len(want), 500} {
		if got := s.listed(fmt.Sprintf("/users?include=settings&limit=%d",
			limit)); !slices.Equal(got, want) {
			t.Errorf("in pages of %d: %q, want %q", limit, got, want)
		}
	}
	if got := s.listed("/users"); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}

	// The time of a version is where the next look at what is new begins.
	var page struct{ Users []struct{ Time time.Time } }
	s.do(http.MethodPut, "/user/new/settings", `{ "a": 1.0 }`, isJSON)
	if err := json.Unmarshal([]byte(s.do(http.MethodGet, "/users?limit=500", "").body),
		&page); err != nil {
		t.Fatal(err)
	}
	times := make([]time.Time, len(page.Users))
	for i, u := range page.Users {
		times[i] = u.Time
	}
	newest := slices.MaxFunc(times, time.Time.Compare).Format(time.RFC3339Nano)
	a := s.do(http.MethodGet, "/users?include=settings&updated_since="+url.QueryEscape(newest), "")
	if want := `{"users":[{"user":"new","version":1,"time":"` + newest + `","settings":{ "a": 1.0 }}]}`; inBody.ReplaceAllString(a.body, "") != want {
		t.Errorf("since %s: %s, want %s", newest, a.body, want)
	}
	if a := s.do(http.MethodGet, "/users?updated_since=2999-01-01T00:00:00%2B01:00", ""); a.body != `{"users":[]}` {
		t.Errorf("since the future: %s", a.body)
	}
}

// TestUsersGoneSince: a mirror that asks for what was changed since its last look learns who is
// gone, and of whom it must forget what it has. Of an erased user there is the id, the version, and
// when.
func TestUsersGoneSince(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	for _, id := range []string{"back", "deleted", "erased", "here"} {
		s.do(http.MethodPut, "/user/"+id+"/settings", `{"secret":1}`, isJSON)
	}
	before := s.listed("/users")
	s.do(http.MethodDelete, "/user/deleted/settings", "")
	s.do(http.MethodDelete, "/user/erased", "")
	s.do(http.MethodDelete, "/user/back", "")
	s.do(http.MethodPut, "/user/back/settings", `{"new":1}`, isJSON)
	since := url.QueryEscape(time.Now().Add(-time.Hour).Format(time.RFC3339))
	a := s.do(http.MethodGet, "/users?include=settings&updated_since="+since, "")
	text := regexp.MustCompile(`"time":"[^"]+"`).ReplaceAllString(a.body, `"time":""`)
	want := `{"users":[` +
		`{"user":"back","version":3,"time":"","erasedVersion":2,"settings":{"new":1}},` +
		`{"user":"deleted","version":2,"time":"","deleted":true},` +
		`{"user":"erased","version":2,"time":"","deleted":true,"erasedVersion":2},` +
		`{"user":"here","version":1,"time":"","settings":{"secret":1}}]}`
	if text = inBody.ReplaceAllString(text, ""); text != want {
		t.Errorf("got %s, want %s", text, want)
	}
	if got := s.listed("/users"); len(before) != 4 || !slices.Equal(got, []string{"back", "here"}) {
		t.Errorf("before: %q, after: %q", before, got)
	}
}

// listed follows a listing to its end, and returns the ids.
func (s *system) listed(next string) []string {
	s.t.Helper()
	var ids []string
	for next != "" {
		var page struct {
			Users []struct {
				User     string
				Settings *struct{ ID string }
			}
			Next string
		}
		a := s.do(http.MethodGet, next, "")
		if err := json.Unmarshal([]byte(a.body), &page); err != nil {
			s.t.Fatalf("%s: %v", a.body, err)
		}
		for _, u := range page.Users {
			if ids = append(ids, u.User); u.Settings != nil && u.Settings.ID != u.User {
				s.t.Errorf("%q has the settings of %q", u.User, u.Settings.ID)
			}
		}
		next = follow(s.t, next, page.Next)
	}
	return ids
}
