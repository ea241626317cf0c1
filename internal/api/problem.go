package api

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/gofiber/fiber/v2"

	"github.com/outset-settings/outset/pkg/messages"
)

// The kinds that arise in HTTP, beside those of the wire.
const (
	kindNotFound         messages.Kind = "not-found"
	kindMethodNotAllowed messages.Kind = "method-not-allowed"
	kindUnsupportedMedia messages.Kind = "unsupported-media-type"
	kindHeadersTooLarge  messages.Kind = "headers-too-large"
	kindTimeout          messages.Kind = "request-timeout"
)

// statuses is the one table from a failure's kind to what HTTP says.
var statuses = map[messages.Kind]struct {
	status int
	title  string
	again  bool // repeating the request as it is may help
}{
	messages.KindMalformed:      {fiber.StatusBadRequest, "The request is malformed", false},
	messages.KindInvalid:        {fiber.StatusUnprocessableEntity, "This is not a settings document", false},
	messages.KindTooLarge:       {fiber.StatusRequestEntityTooLarge, "The document is too large", false},
	messages.KindIDReused:       {fiber.StatusUnprocessableEntity, "The idempotency key was used for another request", false},
	messages.KindOverloaded:     {fiber.StatusServiceUnavailable, "Too many requests are waiting; nothing was changed", true},
	messages.KindUnavailable:    {fiber.StatusServiceUnavailable, "The service can't answer now; nothing was changed", true},
	messages.KindExpired:        {fiber.StatusServiceUnavailable, "There was not enough time; nothing was changed", true},
	messages.KindOutcomeUnknown: {fiber.StatusGatewayTimeout, "It isn't known whether the change was made", true},
	messages.KindInternal:       {fiber.StatusInternalServerError, "Something went wrong on our side", false},
	kindNotFound:                {fiber.StatusNotFound, "There is nothing here", false},
	kindMethodNotAllowed:        {fiber.StatusMethodNotAllowed, "This method is not allowed here", false},
	kindUnsupportedMedia:        {fiber.StatusUnsupportedMediaType, "The body must be plain application/json", false},
	kindHeadersTooLarge:         {fiber.StatusRequestHeaderFieldsTooLarge, "The request's headers are too large", false},
	kindTimeout:                 {fiber.StatusRequestTimeout, "The request took too long to arrive", true},
}

// retryAfter is the Retry-After of what may go better soon, in seconds.
const retryAfter = "1"

// problem is an error with the kind that decides the answer.
type problem struct {
	kind   messages.Kind
	detail string // for the client
}

func (p problem) Error() string { return fmt.Sprintf("%s: %s", p.kind, p.detail) }

// fail answers with problem details (RFC 9457). The type is a relative reference, so that it
// is true under whatever name the API is reached.
func (s *Server) fail(c *fiber.Ctx, err error) error {
	p := problemOf(err)
	entry, ok := statuses[p.kind]
	if !ok {
		// A kind from a newer worker, or an error without one: ours, and nothing to show.
		p, entry = problem{kind: messages.KindInternal}, statuses[messages.KindInternal]
	}
	if entry.status >= fiber.StatusInternalServerError {
		s.sometimes.Do(func() {
			s.log.Warn("request failed", "request_id", requestID(c), "method", c.Method(), "path", c.Path(),
				"status", entry.status, "error", err)
		})
	}
	if entry.again {
		c.Set(fiber.HeaderRetryAfter, retryAfter)
	}
	body, err := json.Marshal(struct {
		Type      string `json:"type"`
		Title     string `json:"title"`
		Status    int    `json:"status"`
		Detail    string `json:"detail,omitempty"`
		RequestID string `json:"requestId,omitempty"`
	}{"/problems/" + string(p.kind), entry.title, entry.status, p.detail, requestID(c)})
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, "application/problem+json")
	return c.Status(entry.status).Send(body)
}

// problemOf finds the kind of an error, those that fiber and fasthttp raise included.
func problemOf(err error) problem {
	var p problem
	if errors.As(err, &p) {
		return p
	}
	var e *fiber.Error
	if !errors.As(err, &e) {
		return problem{kind: messages.KindInternal}
	}
	switch e.Code {
	case fiber.StatusNotFound:
		return problem{kind: kindNotFound}
	case fiber.StatusMethodNotAllowed:
		return problem{kind: kindMethodNotAllowed}
	case fiber.StatusRequestEntityTooLarge:
		return problem{kind: messages.KindTooLarge, detail: tooLarge}
	case fiber.StatusRequestHeaderFieldsTooLarge:
		return problem{kind: kindHeadersTooLarge, detail: fmt.Sprintf("request line and headers may have at most %d bytes", maxHeaders)}
	case fiber.StatusRequestTimeout:
		return problem{kind: kindTimeout}
	case fiber.StatusBadRequest:
		return problem{kind: messages.KindMalformed}
	default:
		return problem{kind: messages.KindInternal}
	}
}
