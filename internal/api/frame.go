package api

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/utils"

	"github.com/outset-settings/outset/pkg/messages"
)

// requestIDKey is the key of the request's id in fiber's Locals.
const requestIDKey = "request_id"

// frame is the middleware of every handler: it gives the request its id, sets the headers that all
// answers have, reads the body, and logs.
func (s *Server) frame(c *fiber.Ctx) error {
	began := time.Now()
	s.head(c)
	span := s.startSpan(c)
	var body room
	defer body.release()
	err := s.checkHost(c)
	switch {
	case err != nil:
	case waits(c):
		err = s.checkLength(c)
	case !readsItsBody(c):
		err = s.readBody(c, &body)
	}
	if err != nil {
		err = s.countRefused(c, err)
	}
	if err == nil && string(c.Request().Header.RequestURI()) == asterisk {
		err = optionsOfServer(c)
	} else if err == nil {
		err = c.Next()
	}
	if errors.Is(err, errContinue) {
		c.Locals(continueKey, true)
		return nil
	}
	failure := err
	if err != nil {
		err = s.fail(c, err)
	}
	renewDate(c)
	s.endSpan(c, span, failure)
	s.metrics.answered(c, time.Since(began), span.Place().Exemplar())
	if s.log.Enabled(c.UserContext(), slog.LevelDebug) {
		s.logOf(c).Debug("request", "method", c.Method(), "path", c.Path(), "client",
			s.clientAddr(c), "status", c.Response().StatusCode(),
			"took", time.Since(c.Context().Time()), "actor", actor{identityOf(c)})
	}
	return err
}

// head sets the headers that all answers have.
func (s *Server) head(c *fiber.Ctx) {
	id := c.Get(fiber.HeaderXRequestID)
	if !validRequestID(id) {
		id = rand.Text() // a counter would tell each client how many requests others make
	}
	if len(c.Response().Header.Peek(fiber.HeaderDate)) == 0 { // a subrequest, or nothing was read
		beginHead(c.Context())
	}
	c.Locals(requestIDKey, id)
	set(c, fiber.HeaderXRequestID, id)
	set(c, fiber.HeaderXContentTypeOptions, "nosniff")
	if s.isSecure(c) {
		set(c, fiber.HeaderStrictTransportSecurity, hstsValue)
	}
	set(c, fiber.HeaderCacheControl, "no-cache") // may be stored, but must be revalidated
}

// set sets a header whose name is already in its canonical form. fiber's Set normalizes the name
// first, which costs time and makes Etag of ETag.
func set(c *fiber.Ctx, name, value string) {
	c.Response().Header.SetCanonical(utils.UnsafeBytes(name), utils.UnsafeBytes(value))
}

func requestID(c *fiber.Ctx) string {
	id, _ := c.Locals(requestIDKey).(string)
	return id
}

// validRequestID tells whether a client's request id may go into our logs.
func validRequestID(id string) bool {
	return id != "" && len(id) <= messages.MaxRequestID &&
		!strings.ContainsFunc(id, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') &&
				!strings.ContainsRune("-_.:", r)
		})
}
