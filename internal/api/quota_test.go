package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outset-settings/outset/internal/api"
)

// newRated returns a system whose API has these rates, and a function that moves the clock by which
// they count. It doesn't move by itself.
func newRated(t *testing.T, user, token int) (s *secured, move func(time.Duration)) {
	t.Helper()
	var config api.Config
	s = newSecured(t, func(c *api.Config) {
		c.UserRate, c.TokenRate = user, token
		config = *c
	})
	var moved atomic.Int64
	start := time.Now()
	still := timing
	still.Now = func() time.Time { return start.Add(time.Duration(moved.Load())) }
	_, s.base, _ = s.startWith(config, still, 0)
	s.startWorker()
	return s, func(d time.Duration) { moved.Add(int64(d)) }
}

// TestUserRate: a user who sends too much is told so, in numbers, and nobody else notices.
func TestUserRate(t *testing.T) {
	t.Parallel()
	s, move := newRated(t, 1, 0)
	ann, bob := s.user("ann"), s.user("bob")
	var last answer
	expect := func(n, status int) {
		t.Helper()
		for range n {
			if last = s.do("GET", "/user/ann/settings", "", ann); last.status != status {
				t.Fatalf("%d %s, want %d", last.status, last.body, status)
			}
		}
	}
	expect(2, http.StatusOK)
	expect(5, http.StatusTooManyRequests)
	move(time.Second)
	expect(1, http.StatusOK)
	expect(1, http.StatusTooManyRequests)
	for name, want := range map[string]string{
		"Retry-After": "1", "RateLimit-Policy": `"user";q=2;w=2`, "RateLimit": `"user";r=0;t=1`,
	} {
		if got := last.header.Get(name); got != want {
			t.Errorf("%s is %q, not %q", name, got, want)
		}
	}
	if !strings.Contains(last.body, "problems/rate-limited") {
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

// TestRateOfRefused: what is refused for what it is counts, too, also as a member.
func TestRateOfRefused(t *testing.T) {
	t.Parallel()
	s, _ := newRated(t, 2, 0)
	large := `{"x":"` + strings.Repeat("x", 64<<10) + `"}`
	member := `{"method":"PUT","path":"/user/42/settings","body":` + large + `}`
	a := s.do("POST", "/batch", `{"operations":[`+member+strings.Repeat(","+member, 9)+`]}`, isJSON,
		s.user("42"))
	for name, want := range map[string]int{`{"status":413`: 3, `{"status":429`: 7} {
		if got := strings.Count(a.body, name); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
	for n := range 8 {
		want := http.StatusRequestEntityTooLarge
		if n >= 4 {
			want = http.StatusTooManyRequests
		}
		a := s.do("PUT", "/user/ann/settings", large, isJSON, s.user("ann"))
		if a.status != want {
			t.Errorf("%d: %d %s", n, a.status, a.body)
		}
	}
}

// TestRateOfMembers: each member of a multi-request counts.
func TestRateOfMembers(t *testing.T) {
	t.Parallel()
	s, _ := newRated(t, 1, 1)
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
		if done != 1 { // two at once, of which the multi-request is one
			t.Errorf("%d were answered", done)
		}
	}
}
