package api

import (
	"fmt"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"github.com/outset-settings/outset/internal/access"
)

// The headers of draft-ietf-httpapi-ratelimit-headers-10.
const (
	headerRateLimit       = "RateLimit"
	headerRateLimitPolicy = "RateLimit-Policy"
)

// What one user may have at a time in one API, so that the rest is there for others.
const (
	maxUserStreams = 256
	maxUserMultis  = 4
	// maxTokenFollows is how many streams of all users' changes one token may have at a time.
	maxTokenFollows = 8
)

// takePlace takes one of the sender's places, and returns a function that gives it back. Its error
// is a problem.
func (s *Server) takePlace(c *fiber.Ctx, places *access.Places, of string) (
	release func(), err error,
) {
	release, ok := places.Take(identityOf(c))
	return s.placeTaken(c, release, ok, of, "the user has as many "+of+" as one may at a time")
}

func (s *Server) placeTaken(c *fiber.Ctx, release func(), ok bool, of, detail string) (
	func(), error,
) {
	if !ok {
		s.metrics.limited(of)
		set(c, fiber.HeaderRetryAfter, retryAfter)
		return nil, problem{kind: kindRateLimited, detail: detail}
	}
	return release, nil
}

// countRefused counts a request that is refused for what it is, before its token was looked at. It
// returns what to refuse it with: why, or that it is one too many.
func (s *Server) countRefused(c *fiber.Ctx, why error) error {
	id, known := c.Locals(identityKey).(*access.Identity)
	if !known && s.auth != nil {
		token, err := tokenOf(c, false)
		if err != nil || token == nil {
			return why
		}
		id, err = s.auth.Authenticate(c.Context(), token)
		known = err == nil
	}
	if known {
		if err := s.count(c, id); err != nil {
			return err
		}
	}
	return why
}

// count counts the request against what its sender may send, and refuses it if it is one too many.
// The answer has the state of the quota once half of it is used up: before that nobody needs it.
func (s *Server) count(c *fiber.Ctx, id *access.Identity) error {
	if continues(c) { // it was counted before its body
		return nil
	}
	q, ok := s.limiter.Take(id, s.timing.now())
	if q.Policy == "" || ok && q.Left >= q.Limit/2 {
		return nil
	}
	set(c, headerRateLimitPolicy, fmt.Sprintf("%q;q=%d;w=%d", q.Policy, q.Limit, q.Window))
	set(c, headerRateLimit, fmt.Sprintf("%q;r=%d;t=%d", q.Policy, q.Left, q.Reset))
	if ok {
		return nil
	}
	s.metrics.limited(q.Policy)
	set(c, fiber.HeaderRetryAfter, strconv.Itoa(q.Reset))
	return problem{
		kind: kindRateLimited,
		detail: fmt.Sprintf("at most %d requests a second, of which %d may come at once",
			q.Limit/q.Window, q.Limit),
	}
}
