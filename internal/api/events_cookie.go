package api

import (
	"fmt"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/outset-settings/outset/internal/access"
)

// A browser's EventSource can't send an Authorization header. So a page first exchanges its token
// for a cookie that holds it. The cookie counts for the one stream only: the guard looks at it on
// that route alone. It is no state of the API's, so any API takes it. Reading a stream changes
// nothing, so no page of another site gains anything by making a browser send the cookie; the
// browser doesn't anyway (SameSite).

const (
	eventsCookie = "outset_events"
	// maxCookieAge is in seconds. A page asks for a new cookie before it opens a stream again.
	maxCookieAge = 3600
	// maxCookie is how many bytes a token may have in a cookie: browsers drop cookies of over 4,096
	// with name and attributes.
	maxCookie = 3 << 10
)

// postEventsCookie sets the cookie for the user's stream. Where no tokens are asked for there is
// nothing to set.
func (s *Server) postEventsCookie(c *fiber.Ctx) error {
	if _, err := userOf(c); err != nil {
		return err
	}
	if err := takeNothing(c); err != nil {
		return err
	}
	c.Status(fiber.StatusNoContent)
	if s.auth == nil {
		return nil
	}
	token, err := tokenOf(c, false)
	switch {
	case err != nil:
		return err
	case len(token) > maxCookie:
		return tooLarge("a token in a cookie", maxCookie)
	}
	// Without a Path it is for the folder of this address (RFC 6265, section 5.1.4), which is the
	// stream, spelt as in the request and under the prefix that a proxy may serve the API under.
	cookie := fmt.Sprintf("%s=%s; Max-Age=%d; HttpOnly; SameSite=Strict", eventsCookie, token,
		cookieAge(identityOf(c), time.Now()))
	if s.isSecure(c) {
		cookie += "; Secure"
	}
	c.Response().Header.Add(fiber.HeaderSetCookie, cookie)
	return nil
}

// cookieAge is how many seconds the cookie lasts: as long as the token, within maxCookieAge.
func cookieAge(id *access.Identity, now time.Time) int {
	if id.Expires.IsZero() {
		return maxCookieAge
	}
	return int(min(max(id.Expires.Sub(now), 0), maxCookieAge*time.Second) / time.Second)
}
