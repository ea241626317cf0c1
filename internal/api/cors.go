package api

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/cors"
)

// anyOrigin stands for every origin there is.
const anyOrigin = "*"

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
		fiber.HeaderAuthorization, fiber.HeaderContentType, fiber.HeaderIfMatch, fiber.HeaderIfNoneMatch,
		fiber.HeaderIfModifiedSince, fiber.HeaderIfUnmodifiedSince, headerIdempotencyKey,
		headerPrefer, fiber.HeaderXRequestID, headerLastEventID,
	}
	corsResponseHeaders = []string{
		fiber.HeaderETag, fiber.HeaderLastModified, fiber.HeaderLocation, fiber.HeaderLink,
		headerIdempotencyReplayed, headerPreferenceApplied, headerAcceptPatch,
		fiber.HeaderRetryAfter, headerRateLimit, headerRateLimitPolicy,
		fiber.HeaderWWWAuthenticate, fiber.HeaderXRequestID,
	}
)

// cors lets pages of the configured origins use the API. Without any it returns nil. It never
// allows credentials: a page of another origin sends its token itself, and the cookie for streams
// is for pages of the same site.
func (s *Server) cors() fiber.Handler {
	if len(trimmed(s.config.CORSOrigins)) == 0 {
		return nil
	}
	return cors.New(cors.Config{
		AllowOrigins:  strings.Join(trimmed(s.config.CORSOrigins), ","),
		AllowMethods:  strings.Join(corsMethods, ","),
		AllowHeaders:  strings.Join(corsRequestHeaders, ","),
		ExposeHeaders: strings.Join(corsResponseHeaders, ","),
		MaxAge:        preflightSeconds,
	})
}

// validateOrigins returns an error for an origin that no browser would ever send. Some of them
// would make the middleware panic, the others would have no effect.
func validateOrigins(origins []string) error {
	origins = trimmed(origins)
	for _, origin := range origins {
		if origin == anyOrigin && len(origins) == 1 {
			continue
		}
		if err := validateOrigin(origin); err != nil {
			return fmt.Errorf("CORS_ORIGINS: %q is not an origin like https://app.example.org: %w",
				origin, err)
		}
	}
	return nil
}

// sameOrigin refuses a request that a browser sends for a page of an origin that isn't allowed.
// Other programs send neither header. Old browsers send only Origin.
func (s *Server) sameOrigin(c *fiber.Ctx) error {
	origin, site := c.Get(fiber.HeaderOrigin), c.Get("Sec-Fetch-Site")
	allowed := trimmed(s.config.CORSOrigins)
	switch {
	case site == "same-origin", site == "none",
		site == "" && (origin == "" || isHost(origin, c.Request().Host())):
		return nil
	case slices.ContainsFunc(allowed, func(o string) bool {
		return o == anyOrigin || strings.EqualFold(o, origin)
	}):
		return nil
	}
	return problem{kind: kindCrossOrigin, detail: "CORS_ORIGINS doesn't list this page's origin"}
}

func isHost(origin string, host []byte) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host == string(host)
}

// trimmed returns the list without spaces and empty entries.
func trimmed(list []string) []string {
	var entries []string
	for _, entry := range list {
		if entry = strings.Trim(entry, " "); entry != "" {
			entries = append(entries, entry)
		}
	}
	return entries
}

// hostName matches a name as browsers send it: an internationalised one in its xn-- form.
var hostName = regexp.MustCompile(`^[a-z0-9_-]+(\.[a-z0-9_-]+)*$`)

func validateOrigin(origin string) error {
	if origin == anyOrigin {
		return fmt.Errorf("%s must stand alone", anyOrigin)
	}
	u, err := url.Parse(strings.ToLower(origin))
	if err != nil {
		return err
	}
	usual := map[string]string{"http": "80", "https": "443"}
	_, notIPv6 := netip.ParseAddr(u.Hostname())
	switch port := u.Port(); {
	case usual[u.Scheme] == "":
		return errors.New("it must begin with http:// or https://")
	case u.Host == "":
		return errors.New("it has no host")
	case u.Scheme+"://"+u.Host != strings.ToLower(origin):
		return errors.New("it must end after the host and the port, without a slash")
	case strings.HasPrefix(u.Host, "[") && notIPv6 != nil,
		u.Host[0] != '[' && !hostName.MatchString(u.Hostname()):
		return errors.New("the host is neither a name nor an address")
	case strings.HasSuffix(u.Host, ":"):
		return errors.New("there is no port after the colon")
	case port == usual[u.Scheme]:
		return fmt.Errorf("browsers omit the port %s", port)
	}
	return nil
}
