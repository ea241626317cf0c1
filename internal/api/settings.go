package api

import (
	"crypto/sha256"
	"fmt"
	"mime"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"github.com/outset-settings/outset/pkg/messages"
)

var tooLarge = fmt.Sprintf("the body may have at most %d bytes", messages.MaxDocument)

// getSettings answers the user's document, byte for byte as it was saved.
func (s *Server) getSettings(c *fiber.Ctx) error {
	user, err := userOf(c)
	if err != nil {
		return err
	}
	r := s.queue.read(c.UserContext(), messages.Operation{
		Action: messages.ActionRead, User: user, RequestID: requestID(c),
		Deadline: s.deadline(),
	})
	if r.Kind != "" {
		return problem{r.Kind, r.Detail}
	}
	setVersion(c, r.Version)
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	return c.Send(r.Document)
}

// postSettings puts the body in the place of the user's document.
func (s *Server) postSettings(c *fiber.Ctx) error {
	user, err := userOf(c)
	if err != nil {
		return err
	}
	document, err := bodyOf(c)
	if err != nil {
		return err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("making an operation id: %w", err)
	}
	r := s.queue.write(c.UserContext(), messages.Operation{
		Action: messages.ActionReplace, User: user, RequestID: requestID(c),
		Deadline: s.deadline(), ID: id.String(),
		Fingerprint: fingerprint(c.Method(), user, document), Document: document,
	})
	if r.Kind != "" {
		return problem{r.Kind, r.Detail}
	}
	answer := append(make([]byte, 0, len(document)+len(user)+80), `{"status":"settings updated","userId":`...)
	if answer, err = jsontext.AppendQuote(answer, user); err != nil {
		return fmt.Errorf("quoting the user id: %w", err)
	}
	answer = append(answer, `,"settings":`...)
	answer = append(answer, document...)
	answer = append(answer, '}')
	setVersion(c, r.Version)
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	return c.Send(answer)
}

// deadline is when a request that comes now is given up, as the wire wants it.
func (s *Server) deadline() int64 {
	return time.Now().Add(s.config.RequestTimeout).UnixMilli()
}

// setVersion sends the version as a strong entity tag (RFC 9110 section 8.8.3).
func setVersion(c *fiber.Ctx, version int64) {
	// Set would spell it Etag: the same to programs, not to people.
	c.Response().Header.SetCanonical([]byte(fiber.HeaderETag), []byte(`"`+strconv.FormatInt(version, 10)+`"`))
}

// userOf returns the user id of the path. fiber gives it as it was sent, so that an
// encoded slash belongs to the id and doesn't end it.
func userOf(c *fiber.Ctx) (string, error) {
	id, err := url.PathUnescape(c.Params("id"))
	if err != nil {
		return "", problem{messages.KindMalformed, "the user id is not percent-encoded as RFC 3986 wants it"}
	}
	if err := messages.CheckUser(id); err != nil {
		return "", problem{messages.KindMalformed, err.Error()}
	}
	return id, nil
}

// bodyOf returns the request's body if it claims to be plain JSON of at most MaxDocument
// bytes. Whether it is a settings document is for the worker to tell.
func bodyOf(c *fiber.Ctx) ([]byte, error) {
	mediaType, parameters, err := mime.ParseMediaType(c.Get(fiber.HeaderContentType))
	if err != nil || mediaType != fiber.MIMEApplicationJSON {
		return nil, problem{kindUnsupportedMedia, "send it with Content-Type: application/json"}
	}
	if charset, ok := parameters["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return nil, problem{kindUnsupportedMedia, "JSON is UTF-8 (RFC 8259 section 8.1)"}
	}
	if c.Get(fiber.HeaderContentEncoding) != "" {
		return nil, problem{kindUnsupportedMedia, "content encodings are not supported"}
	}
	body := c.BodyRaw()
	if len(body) > messages.MaxDocument {
		return nil, problem{messages.KindTooLarge, tooLarge}
	}
	return body, nil
}

// fingerprint tells a request from any other with the same operation id.
func fingerprint(method, user string, body []byte) []byte {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n", method, url.PathEscape(user)) // neither has a line break
	h.Write(body)
	return h.Sum(nil)
}
