package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/outset-settings/outset/internal/api"
)

// TestUserRate: a user who sends too much is told so, in numbers, and nobody else notices.
func TestUserRate(t *testing.T) {
	t.Parallel()
	s := newSecured(t, func(c *api.Config) { c.UserRate = 1 })
	s.startWorker()
	ann, bob := s.user("ann"), s.user("bob")
	var last answer
	limited := 0
	for range 50 {
		if a := s.do("GET", "/user/ann/settings", "", ann); a.status == http.StatusTooManyRequests {
			limited++
			last = a
		} else if a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	if limited == 0 {
		t.Skip("this machine can't send two requests a second") // each second allows one more
	}
	for name, want := range map[string]string{
		"Retry-After": "1", "RateLimit-Policy": `"user";q=2;w=2`, "RateLimit": `"user";r=0;t=1`,
	} {
		if got := last.header.Get(name); got != want {
			t.Errorf("%s is %q, not %q", name, got, want)
		}
	}
	if !strings.Contains(last.body, "/problems/rate-limited") {
		t.Error(last.body)
	}
	a := s.do("GET", "/user/bob/settings", "", bob)
	if a.status != http.StatusOK || a.header.Get("RateLimit") != "" {
		t.Errorf("another user: %d %v", a.status, a.header)
	}
	for range 50 { // what isn't there for them costs them nothing
		if a := s.do("GET", "/user/ann/settings", "", bob); a.status != http.StatusNotFound {
			t.Fatalf("another's: %d %v", a.status, a.header)
		}
	}
	for range 20 {
		if a := s.do("GET", "/user/ann/settings", "", s.service("settings:read")); a.status != http.StatusOK {
			t.Fatalf("a service: %d %s", a.status, a.body)
		}
	}
}

// TestRateOfMembers: each member of a multi-request counts.
func TestRateOfMembers(t *testing.T) {
	t.Parallel()
	s := newSecured(t, func(c *api.Config) { c.UserRate, c.TokenRate = 1, 1 })
	s.startWorker()
	for _, header := range []string{s.user("42"), s.service("settings:read")} {
		operations := aGet + strings.Repeat(","+aGet, 99)
		a := s.do("POST", "/batch", `{"operations":[`+operations+`]}`, isJSON, header)
		var answer struct{ Results []result }
		if err := json.Unmarshal([]byte(a.body), &answer); err != nil {
			t.Fatalf("%d %s", a.status, a.body)
		}
		done := 0
		for _, r := range answer.Results {
			switch r.Status {
			case http.StatusOK:
				done++
			case http.StatusTooManyRequests:
				if r.Headers["Retry-After"] == "" {
					t.Errorf("no Retry-After: %v", r.Headers)
				}
			default:
				t.Errorf("%d %s", r.Status, r.Body)
			}
		}
		if done < 1 || done == 100 { // two at once, of which the multi-request is one
			t.Errorf("%d were answered", done)
		}
	}
}
