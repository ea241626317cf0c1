package api

import (
	"errors"
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/cors"

	"github.com/outset-settings/outset/internal/tracing"
)

// preflightSeconds is how long a browser may cache the answer to a preflight request: long enough
// that an application asks once, short enough that an origin that is removed from the list is
// refused within minutes.
const preflightSeconds = 600

// What pages of other origins may send, and what they may read of an answer.
var (
	corsMethods = []string{
		fiber.MethodGet, fiber.MethodHead, fiber.MethodPut, fiber.MethodPost, fiber.MethodPatch,
		fiber.MethodDelete,
	}
	corsRequestHeaders = []string{
		fiber.HeaderAuthorization, fiber.HeaderContentType, fiber.HeaderContentEncoding,
		fiber.HeaderIfMatch, fiber.HeaderIfNoneMatch,
		fiber.HeaderIfModifiedSince, fiber.HeaderIfUnmodifiedSince, headerIdempotencyKey,
		headerPrefer, fiber.HeaderXRequestID, headerLastEventID, tracing.Traceparent,
		tracing.Tracestate,
	}
	corsResponseHeaders = []string{
		fiber.HeaderETag, fiber.HeaderLastModified, fiber.HeaderLocation, fiber.HeaderLink,
		headerIdempotencyReplayed, headerPreferenceApplied, headerAcceptPatch,
		fiber.HeaderAcceptEncoding, fiber.HeaderRetryAfter, headerRateLimit, headerRateLimitPolicy,
		fiber.HeaderWWWAuthenticate, fiber.HeaderXRequestID, tracing.Traceresponse,
	}
)

// cors lets pages of the configured origins use the API. Without any it returns nil. A page sends
// its token itself, so it needs credentials (CORS_CREDENTIALS) for cookies only: that of its stream
// of events, or those of a gateway before the API.
//
// The first handler is to be in front of frame, so that pages can read the answer to a request
// whose body was not read. The second one answers preflights, which frame checks as it does all
// requests.
func (s *Server) cors() (headers, preflights fiber.Handler) {
	if s.origins.none() {
		return nil, nil
	}
	isPreflight := func(c *fiber.Ctx) bool { return c.Method() == fiber.MethodOptions }
	headers = s.corsUnless(isPreflight)
	return headers, s.corsUnless(func(c *fiber.Ctx) bool { return !isPreflight(c) })
}

func (s *Server) corsUnless(skip func(*fiber.Ctx) bool) fiber.Handler {
	config := cors.Config{
		Next:             skip,
		AllowMethods:     strings.Join(corsMethods, ","),
		AllowHeaders:     strings.Join(corsRequestHeaders, ","),
		AllowCredentials: s.config.CORSCredentials,
		ExposeHeaders:    strings.Join(corsResponseHeaders, ","),
		MaxAge:           preflightSeconds,
	}
	if s.origins.any {
		config.AllowOrigins = anyOrigin // one answer for all, which caches may share
	} else {
		config.AllowOriginsFunc = s.origins.allow
	}
	return cors.New(config)
}

// validateCORS returns an error for settings that no browser would accept, or that have no effect.
func (c Config) validateCORS() error {
	o, err := parseOrigins(c.CORSOrigins)
	switch {
	case err != nil:
		return err
	case c.CORSCredentials && o.any:
		return errors.New("CORS_CREDENTIALS needs the origins by name: browsers refuse it with " +
			"CORS_ORIGINS=*, since every page could then act for its visitors")
	case c.CORSCredentials && o.none():
		return errors.New("CORS_CREDENTIALS has no effect without CORS_ORIGINS")
	}
	return nil
}

// sameOrigin refuses a request that a browser sends for a page of an origin that isn't allowed.
// Other programs send neither header. Old browsers send only Origin.
func (s *Server) sameOrigin(c *fiber.Ctx) error {
	origin, site := c.Get(fiber.HeaderOrigin), c.Get("Sec-Fetch-Site")
	switch {
	case site == "same-origin", site == "none",
		site == "" && (origin == "" || isHost(origin, c.Request().Host())):
		return nil
	case s.origins.allow(origin):
		return nil
	}
	return problem{kind: kindCrossOrigin, detail: "CORS_ORIGINS doesn't list this page's origin"}
}

func isHost(origin string, host []byte) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host == string(host)
}
