package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/outset-settings/outset/internal/api"
)

// TestEventsCookie: the cookie opens the user's stream, and nothing else.
func TestEventsCookie(t *testing.T) {
	t.Parallel()
	s := newSecured(t)
	s.startWorker()
	cookieOf := func(path, header string) *http.Cookie {
		t.Helper()
		a := s.do("POST", path, "", header)
		cookies := (&http.Response{Header: a.header}).Cookies()
		if a.status != http.StatusNoContent || len(cookies) != 1 {
			t.Fatalf("%d %v %s", a.status, a.header, a.body)
		}
		return cookies[0]
	}
	c := cookieOf("/user/%61nn/events/cookie", s.user("ann"))
	if c.Name != "outset_events" || c.Path != "" || !c.HttpOnly || c.Secure ||
		c.SameSite != http.SameSiteStrictMode || c.MaxAge < 3500 || c.MaxAge > 3600 || c.Domain != "" {
		t.Errorf("the cookie is %+v", c)
	}
	if soon := cookieOf("/user/ann/events/cookie", s.user("ann", jwt.MapClaims{"exp": time.Now().Add(time.Minute).Unix()})); soon.MaxAge > 60 {
		t.Errorf("it lasts longer than its token: %+v", soon)
	}
	if service := cookieOf("/user/ann/events/cookie", s.service("settings:read")); service.MaxAge != 3600 {
		t.Errorf("a service's is %+v", service)
	}
	header := "Cookie: other=1; " + c.Name + "=" + c.Value
	s.watch(t, "/user/ann/events", header).next()
	for path, want := range map[string]int{
		"/user/ann/settings": 401, "/user/ann/history": 401, "/users": 401, "/schema": 401,
		"/user/bob/events": 404,
	} {
		if a := s.do("GET", path, "", header); a.status != want {
			t.Errorf("%s with the cookie: %d", path, a.status)
		}
	}
	if a := s.do("POST", "/user/ann/events/cookie", "", header); a.status != http.StatusUnauthorized {
		t.Errorf("a cookie for a cookie: %d", a.status)
	}
	if a := s.do("POST", "/user/ann/events/cookie", "",
		s.user("ann", jwt.MapClaims{"x": strings.Repeat("x", 3000)})); a.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a large token: %d", a.status)
	}
}

// TestEventsCookieOfNobody: where no tokens are asked for a page does the same and needs no cookie.
func TestEventsCookieOfNobody(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	if a := s.do("POST", "/user/ann/events/cookie", ""); a.status != http.StatusNoContent || a.header.Get("Set-Cookie") != "" {
		t.Errorf("%d %v", a.status, a.header)
	}
}

// TestStreamOfRevokedToken: a stream ends when its token does.
func TestStreamOfRevokedToken(t *testing.T) {
	t.Parallel()
	s := newSecured(t, func(c *api.Config) { c.EventsHeartbeat = 100 * time.Millisecond })
	s.startWorker()
	token := s.issue(t, "settings:read users:list")
	stream := s.watch(t, "/user/ann/events", "Authorization: Bearer "+token)
	stream.next()
	s.revoke(token)
	stream.ended()
}
