package api

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/url"

	"github.com/gofiber/fiber/v2"

	"github.com/outset-settings/outset/internal/access"
	"github.com/outset-settings/outset/pkg/messages"
)

// Who may do what is decided here, in front of all handlers, by the table of internal/access.

// identityKey is the key of the request's identity in fiber's Locals.
const identityKey = "identity"

// What a refused request is told (RFC 6750 section 3).
const (
	challenge      = `Bearer realm="outset"`
	challengeToken = challenge + `, error="invalid_token"`
	challengeScope = challenge + `, error="insufficient_scope", scope="%s"`
)

var anonymous = &access.Identity{App: access.DefaultApp}

// identityOf returns who sends the request. It must not be changed.
func identityOf(c *fiber.Ctx) *access.Identity {
	if id, ok := c.Locals(identityKey).(*access.Identity); ok {
		return id
	}
	return anonymous
}

// depths are how many routes there are of each method.
func depths(app *fiber.App) (all []int) {
	for _, routes := range app.Stack() {
		all = append(all, len(routes))
	}
	return all
}

// guardRoutes puts the decision in front of all routes that were added since the depths were taken,
// and then the check of their parameters. A route without a row in the table is an error, so it
// can't be forgotten.
func (s *Server) guardRoutes(app *fiber.App, depths []int) error {
	described, err := readDescription()
	if err != nil {
		return fmt.Errorf("openapi.json: %w", err)
	}
	for method, routes := range app.Stack() {
		for _, r := range routes[depths[method]:] {
			rule := access.Find(r.Method, r.Path)
			if rule == nil {
				return fmt.Errorf("%s %s has no row in internal/access/routes.go", r.Method, r.Path)
			}
			known, err := described.query(r.Method, r.Path)
			if err != nil {
				return err
			}
			s.metrics.addRoute(r)
			inFront := []fiber.Handler{checkQuery(known)}
			if s.auth != nil && rule.Who != access.Public {
				inFront = []fiber.Handler{s.guard(rule), checkQuery(known)}
			}
			r.Handlers = append(inFront, r.Handlers...)
		}
	}
	return nil
}

// guard lets through whom the rule allows.
func (s *Server) guard(rule *access.Rule) fiber.Handler {
	return func(c *fiber.Ctx) error {
		id, err := s.authenticate(c, rule)
		if err == nil {
			err = s.decide(c, rule, id)
		}
		if err == nil {
			err = s.count(c, id)
		}
		if err == nil {
			return c.Next()
		}
		if readsItsBody(c) {
			return s.refuseUnread(c, err)
		}
		return err
	}
}

// refuseUnread refuses a request whose body was not read. Where the route is hidden the body is
// read, as for a route that doesn't exist.
func (s *Server) refuseUnread(c *fiber.Ctx, err error) error {
	if errors.Is(err, fiber.ErrNotFound) {
		var body room
		defer body.release()
		if bodyErr := s.readBody(c, &body); bodyErr != nil {
			return bodyErr
		}
		return err
	}
	endAfter(c)
	return err
}

// authenticate returns whose token the request has. A subrequest has the identity of its
// multi-request.
func (s *Server) authenticate(c *fiber.Ctx, rule *access.Rule) (*access.Identity, error) {
	if id, ok := c.Locals(identityKey).(*access.Identity); ok {
		return id, nil
	}
	token, err := tokenOf(c, rule.Cookie)
	if err != nil {
		return nil, s.unauthenticated(c, challengeToken, err)
	}
	if token == nil {
		return anonymous, nil
	}
	id, err := s.auth.Authenticate(c.Context(), token)
	switch {
	case errors.Is(err, access.ErrUnavailable):
		s.metrics.unauthenticated(err)
		return nil, problem{kind: messages.KindUnavailable, detail: "tokens can't be checked now"}
	case err != nil:
		return nil, s.unauthenticated(c, challengeToken, err)
	}
	c.Locals(identityKey, id)
	return id, nil
}

var (
	errNoToken    = errors.New("there is no token")
	errEmptyToken = errors.New("the token is empty")
	errTwoTokens  = errors.New("there is more than one Authorization header")
)

// tokenOf returns the token of a request, or nil if there is none.
func tokenOf(c *fiber.Ctx, orCookie bool) ([]byte, error) {
	lines := c.Request().Header.PeekAll(fiber.HeaderAuthorization)
	switch len(lines) {
	case 0:
		if orCookie {
			return c.Request().Header.Cookie(eventsCookie), nil
		}
		return nil, nil
	case 1:
	default:
		return nil, errTwoTokens
	}
	scheme, token, _ := bytes.Cut(lines[0], []byte(" "))
	if !bytes.EqualFold(scheme, []byte("Bearer")) { // RFC 9110 section 11.1
		return nil, nil
	}
	if token = bytes.TrimLeft(token, " "); len(token) == 0 {
		return nil, errEmptyToken
	}
	return token, nil
}

// unauthenticated returns the answer to a request without a token that counts. Who sent it isn't
// told why, the log is.
func (s *Server) unauthenticated(c *fiber.Ctx, header string, why error) error {
	s.metrics.unauthenticated(why)
	s.sometimesUnauthentic.Do(func() {
		s.logOf(c).Info("authentication failed", "method", c.Method(), "path", c.Path(),
			"client", s.clientAddr(c), "error", why)
	})
	set(c, fiber.HeaderWWWAuthenticate, header)
	detail := "send a token: Authorization: Bearer <token>"
	if header != challenge {
		detail = "the token is expired, revoked, malformed or invalid for another reason"
	}
	return problem{kind: kindUnauthenticated, detail: detail}
}

// decide asks the table. Its error is what the request is answered with.
func (s *Server) decide(c *fiber.Ctx, rule *access.Rule, id *access.Identity) error {
	user := ""
	if rule.Who == access.Owner {
		// An id that can't be decoded is nobody's own. The handler says what is wrong with it.
		user, _ = url.PathUnescape(c.Params("id"))
	}
	needs := rule.Needs(func(name string) string { return c.Query(name) })
	switch answer, lacking := access.Decide(id, rule, user, needs); answer {
	case access.Allowed:
		return nil
	case access.Forbidden:
		set(c, fiber.HeaderWWWAuthenticate, fmt.Sprintf(challengeScope, lacking))
		return lackingScope(lacking)
	case access.Hidden:
		return fiber.ErrNotFound
	default:
		return s.unauthenticated(c, challenge, errNoToken)
	}
}

func lackingScope(lacking access.Scope) problem {
	return problem{kind: kindForbidden, detail: "the token needs the scope " + lacking.String()}
}

// mayRead tells whether the answer to a write may have the document.
func mayRead(id *access.Identity) bool {
	return id.Kind != access.Service || id.Scopes.Allows(access.SettingsRead)
}

// validity returns a function that tells whether the request's token is valid still. An answer that
// takes long asks it from time to time.
func (s *Server) validity(c *fiber.Ctx) func() error { return s.validityOf(identityOf(c)) }

func (s *Server) validityOf(id *access.Identity) func() error {
	return func() error {
		if s.auth == nil || s.auth.Valid(id) {
			return nil
		}
		return problem{
			kind: kindUnauthenticated, detail: "the token has expired or was revoked meanwhile",
		}
	}
}

// actor is an identity as it stands in the log.
type actor struct{ *access.Identity }

// LogValue returns what tells who it is.
func (a actor) LogValue() slog.Value {
	return slog.GroupValue(slog.String("kind", a.Kind.String()),
		slog.String("subject", a.Subject), slog.String("token", a.Token))
}
