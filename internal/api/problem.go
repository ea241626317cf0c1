package api

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/outset-settings/outset/pkg/messages"
)

// The kinds that arise in HTTP, in addition to those of pkg/messages.
const (
	kindMethodNotAllowed     messages.Kind = "method-not-allowed"
	kindUnsupportedMedia     messages.Kind = "unsupported-media-type"
	kindHeadersTooLarge      messages.Kind = "headers-too-large"
	kindTimeout              messages.Kind = "request-timeout"
	kindPreconditionRequired messages.Kind = "precondition-required"
	kindCrossOrigin          messages.Kind = "cross-origin"
	kindHTTPVersion          messages.Kind = "http-version"
	kindUnauthenticated      messages.Kind = "unauthenticated"
	kindForbidden            messages.Kind = "forbidden"
	kindRateLimited          messages.Kind = "rate-limited"
	kindMisdirected          messages.Kind = "misdirected-request"
)

// statuses has the HTTP status and the title of each kind of failure. A new kind gets a row here
// and a page in explanations.go. If workers send it, its name and whether it may be retried belong
// in pkg/messages/kind.go, else its name belongs above.
var statuses = map[messages.Kind]statusTitle{
	messages.KindMalformed: {
		fiber.StatusBadRequest, "The request is malformed",
	},
	messages.KindInvalid: {
		fiber.StatusUnprocessableEntity, "This is not a settings document",
	},
	messages.KindTooLarge: {
		fiber.StatusRequestEntityTooLarge, "The document is too large",
	},
	messages.KindIDReused: {
		fiber.StatusUnprocessableEntity, "The idempotency key was used for another request",
	},
	messages.KindNotFound: {
		fiber.StatusNotFound, "There is nothing here",
	},
	messages.KindPrecondition: {
		fiber.StatusPreconditionFailed, "The settings are not what the request expects",
	},
	messages.KindNotApplicable: {
		fiber.StatusUnprocessableEntity, "The change does not fit the settings",
	},
	messages.KindViolation: {
		fiber.StatusUnprocessableEntity, "The settings would break the schema",
	},
	messages.KindInvalidSchema: {
		fiber.StatusUnprocessableEntity, "This is not a schema that can be used",
	},

	messages.KindTooManyTokens: {
		fiber.StatusConflict, "There are too many tokens",
	},

	messages.KindOverloaded: {
		fiber.StatusServiceUnavailable, "Too many requests are waiting; nothing was changed",
	},
	messages.KindUnavailable: {
		fiber.StatusServiceUnavailable, "The service can't answer now; nothing was changed",
	},
	messages.KindExpired: {
		fiber.StatusServiceUnavailable, "There was not enough time; nothing was changed",
	},
	messages.KindOutcomeUnknown: {
		fiber.StatusGatewayTimeout, "It isn't known whether the change was made",
	},
	messages.KindInternal: {
		fiber.StatusInternalServerError, "Something went wrong on our side",
	},

	kindUnauthenticated: {
		fiber.StatusUnauthorized, "This needs a token",
	},
	kindForbidden: {
		fiber.StatusForbidden, "The token doesn't allow this",
	},
	kindRateLimited: {
		fiber.StatusTooManyRequests, "These are too many requests; nothing was changed",
	},
	kindMethodNotAllowed: {
		fiber.StatusMethodNotAllowed, "This method is not allowed here",
	},
	kindUnsupportedMedia: {
		fiber.StatusUnsupportedMediaType, "The body is of a kind that isn't taken here",
	},
	kindHeadersTooLarge: {
		fiber.StatusRequestHeaderFieldsTooLarge, "The request's headers are too large",
	},
	kindTimeout: {
		fiber.StatusRequestTimeout, "The request took too long to arrive",
	},
	kindCrossOrigin: {
		fiber.StatusForbidden, "Pages of other origins may not do this",
	},
	kindPreconditionRequired: {
		fiber.StatusPreconditionRequired, "Writes need a precondition here",
	},
	kindMisdirected: {
		fiber.StatusMisdirectedRequest, "This name is not served here",
	},
	kindHTTPVersion: {
		fiber.StatusHTTPVersionNotSupported, "This version of HTTP is not spoken here",
	},
}

type statusTitle struct {
	status int
	title  string
}

// retryable tells whether repeating the request unchanged may help.
func retryable(k messages.Kind) bool {
	return k.Retryable() || k == kindTimeout || k == kindRateLimited
}

// retryAfter is the Retry-After of retryable failures, in seconds.
const retryAfter = "1"

// problem is an error with the kind that decides the answer.
type problem struct {
	kind    messages.Kind
	detail  string           // for the client
	current *messages.Result // with KindPrecondition: the current state

	ofSchema   bool                 // current is the schema
	violations []messages.Violation // with KindViolation
	more       bool                 // there are more violations
	codings    string               // with kindUnsupportedMedia: those that are taken
}

func (p problem) Error() string { return fmt.Sprintf("%s: %s", p.kind, p.detail) }

// fail answers with problem details (RFC 9457).
func (s *Server) fail(c *fiber.Ctx, err error) error {
	p := s.problemOf(c, err)
	if requestID(c) == "" { // refused before frame, in the middle of the request
		defer func() { s.metrics.refused(c) }()
		s.head(c)
		if p.kind != kindTimeout { // a client that was too slow isn't waited for any longer
			linger(c.Context())
		}
	}
	if p.kind == kindMethodNotAllowed {
		allowed := c.GetRespHeader(fiber.HeaderAllow) // fiber's, without OPTIONS
		c.Set(fiber.HeaderAllow, allowed+", "+fiber.MethodOptions)
		if c.Method() == fiber.MethodOptions {
			return options(c)
		}
	}
	p = p.known()
	if isRefusal(p.kind, err) {
		s.countRefusal(c)
	}
	s.metrics.problems[p.kind].Inc()
	entry := statuses[p.kind]
	if entry.status >= fiber.StatusInternalServerError {
		s.sometimes.Do(func() {
			s.logOf(c).Warn("request failed", "method", c.Method(), "path", c.Path(),
				"client", s.clientAddr(c), "status", entry.status,
				"error", err, "actor", actor{identityOf(c)})
		})
	}
	if p.kind == kindUnsupportedMedia && c.Method() == fiber.MethodPatch { // RFC 5789 section 2.2
		c.Set(headerAcceptPatch, acceptPatch)
	}
	if retryable(p.kind) && p.kind != kindRateLimited { // that one knows how long it takes
		c.Set(fiber.HeaderRetryAfter, retryAfter)
	}
	if p.codings != "" {
		c.Set(fiber.HeaderAcceptEncoding, p.codings) // RFC 7694
	}
	body, err := p.body(entry.status, entry.title, rootFrom(c), requestID(c))
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, "application/problem+json")
	return c.Status(entry.status).Send(body)
}

// known returns the problem if its kind is known. Otherwise the kind is a newer worker's, or the
// error has none: the client gets an internal error without details.
func (p problem) known() problem {
	if _, ok := statuses[p.kind]; !ok {
		return problem{kind: messages.KindInternal}
	}
	return p
}

// violation is a violation of the schema as JSON.
type violation struct {
	Pointer string `json:"pointer"`
	Reason  string `json:"reason"`
}

// body is the problem as JSON. root leads from the request to the root of the API. The type is
// therefore spelt differently in different places; kind is not.
func (p problem) body(status int, title, root, requestID string) ([]byte, error) {
	var version *int64
	if p.current != nil {
		version = &p.current.Version
	}
	body, err := encode(struct {
		Type       string      `json:"type"`
		Kind       string      `json:"kind"`
		Title      string      `json:"title"`
		Status     int         `json:"status"`
		Detail     string      `json:"detail,omitempty"`
		RequestID  string      `json:"requestId,omitempty"`
		Version    *int64      `json:"version,omitempty"`
		Violations []violation `json:"violations,omitempty"`
		Omitted    bool        `json:"violationsOmitted,omitempty"`
	}{
		problemReference(root, p.kind), string(p.kind), title, status, p.detail, requestID, version,
		violationsOf(p.violations), p.more,
	})
	if err != nil || p.current == nil || p.current.Document == nil {
		return body, err
	}
	member := `,"settings":`
	if p.ofSchema {
		member = `,"schema":`
	}
	// Not by Marshal, which would not keep the document byte for byte.
	body = append(body[:len(body)-1], member...)
	body = append(body, p.current.Document...)
	return append(body, '}'), nil
}

func violationsOf(all []messages.Violation) []violation {
	list := make([]violation, len(all))
	for i, v := range all {
		list[i] = violation(v)
	}
	return list
}

// options answers with the methods of a path, which fail has set (RFC 9110 section 9.3.7).
func options(c *fiber.Ctx) error {
	if strings.Contains(c.GetRespHeader(fiber.HeaderAllow), fiber.MethodPatch) {
		c.Set(headerAcceptPatch, acceptPatch)
	}
	c.Status(fiber.StatusNoContent)
	return nil
}

// asterisk is the target of a request about the service as a whole.
const asterisk = "*"

// optionsOfServer answers such a request, which is always OPTIONS (RFC 9112, section 3.2.4), with
// all methods that there are (RFC 9110, section 9.3.7).
func optionsOfServer(c *fiber.Ctx) error {
	c.Set(fiber.HeaderAllow, strings.Join(append(slices.Clone(subrequestMethods),
		fiber.MethodOptions), ", "))
	c.Status(fiber.StatusNoContent)
	return nil
}

// notFound is the problem of an address that doesn't exist. Its words depend on nothing but the
// address, since what a token may not know of looks the same.
func notFound(c *fiber.Ctx) problem {
	p := problem{kind: messages.KindNotFound}
	if path := c.Path(); len(path) > 1 && strings.HasSuffix(path, "/") {
		p.detail = "the address ends with a slash; leave it out"
	}
	return p
}

// problemOf returns the problem for an error, including those of fiber and fasthttp.
func (s *Server) problemOf(c *fiber.Ctx, err error) problem {
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
		return notFound(c)
	case fiber.StatusMethodNotAllowed:
		return problem{kind: kindMethodNotAllowed}
	case fiber.StatusRequestEntityTooLarge:
		return problem{
			kind: messages.KindTooLarge,
			detail: fmt.Sprintf("the body may have at most %d bytes",
				s.bodyLimit(&c.Request().Header)),
		}
	case fiber.StatusRequestHeaderFieldsTooLarge:
		return problem{
			kind:   kindHeadersTooLarge,
			detail: fmt.Sprintf("request line and headers may have at most %d bytes", maxHeaders),
		}
	case fiber.StatusRequestTimeout:
		return problem{kind: kindTimeout}
	case fiber.StatusBadGateway:
		// So fiber calls it when a client breaks off, such as one that refuses our certificate.
		return problem{kind: messages.KindMalformed, detail: "the connection failed"}
	case fiber.StatusBadRequest:
		return unreadable(c.Context())
	default:
		return problem{kind: messages.KindInternal}
	}
}
