package api

import (
	"fmt"
	"mime"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/gofiber/fiber/v2"

	"github.com/outset-settings/outset/pkg/messages"
)

// The media types of patches. application/json stands for a merge patch, too.
const (
	mimeMergePatch = "application/merge-patch+json" // RFC 7396
	mimeJSONPatch  = "application/json-patch+json"  // RFC 6902
	acceptPatch    = mimeMergePatch + ", " + mimeJSONPatch + ", " + fiber.MIMEApplicationJSON
)

// getSettings answers with the user's document, byte for byte as it was saved, or with the schema's
// defaults added if the client asks for them.
func (s *Server) getSettings(c *fiber.Ctx) error {
	effective, err := boolOf(c, "effective")
	if err != nil {
		return err
	}
	o := messages.Operation{Action: messages.ActionRead}
	if effective {
		o.Action = messages.ActionReadEffective
	}
	return s.read(c, o)
}

// boolOf returns the value of a parameter that is true or false. Without it that is false.
func boolOf(c *fiber.Ctx, name string) (bool, error) {
	switch value := c.Query(name); {
	case value == "true":
		return true, nil
	case value == "false", !c.Context().QueryArgs().Has(name):
		return false, nil
	}
	return false, problem{kind: messages.KindMalformed, detail: name + " must be true or false"}
}

// putSettings replaces the user's document with the body, and answers with it. With dry_run it only
// tells whether it could.
func (s *Server) putSettings(c *fiber.Ctx) error {
	try, err := boolOf(c, "dry_run")
	if err != nil {
		return err
	}
	document, _, err := bodyOf(c, fiber.MIMEApplicationJSON)
	switch {
	case err != nil:
		return err
	case try:
		return s.try(c, document)
	}
	o := messages.Operation{Action: messages.ActionReplace, Document: document}
	return s.write(c, o, func(c *fiber.Ctx, _ string, _ *messages.Result) error {
		return send(c, document)
	})
}

// try answers whether the document would be taken, with what is wrong with it.
func (s *Server) try(c *fiber.Ctx, document []byte) (err error) {
	o := messages.Operation{Action: messages.ActionTry, Document: document}
	if o.User, err = userOf(c); err != nil {
		return err
	}
	r, err := s.fetch(c, o)
	if err != nil {
		return err
	}
	setState(c, &o, &r) // of what there is
	c.Status(fiber.StatusNoContent)
	return nil
}

// postSettings does the same as putSettings, but wraps the document in the answer.
func (s *Server) postSettings(c *fiber.Ctx) error {
	document, _, err := bodyOf(c, fiber.MIMEApplicationJSON)
	if err != nil {
		return err
	}
	o := messages.Operation{Action: messages.ActionReplace, Document: document}
	return s.write(c, o, func(c *fiber.Ctx, user string, _ *messages.Result) error {
		answer := make([]byte, 0, len(document)+len(user)+80)
		answer = append(answer, `{"status":"settings updated","userId":`...)
		answer, err := jsontext.AppendQuote(answer, user)
		if err != nil {
			return fmt.Errorf("quoting the user id: %w", err)
		}
		answer = append(answer, `,"settings":`...)
		answer = append(answer, document...)
		return send(c, append(answer, '}'))
	})
}

// patchSettings changes parts of the user's document, and answers with the result.
func (s *Server) patchSettings(c *fiber.Ctx) error {
	patch, mediaType, err := bodyOf(c, mimeMergePatch, mimeJSONPatch, fiber.MIMEApplicationJSON)
	if err != nil {
		return err
	}
	o := messages.Operation{Action: messages.ActionMergePatch, Document: patch}
	if mediaType == mimeJSONPatch {
		o.Action = messages.ActionJSONPatch
	}
	return s.write(c, o, sendDocument)
}

// deleteSettings deletes the user's document.
func (s *Server) deleteSettings(c *fiber.Ctx) error {
	return s.write(c, messages.Operation{Action: messages.ActionDelete}, done)
}

// deleteUser erases all data of the user.
func (s *Server) deleteUser(c *fiber.Ctx) error {
	return s.write(c, messages.Operation{Action: messages.ActionErase}, done)
}

// read answers with what an operation reads of the user in the path, if the preconditions hold.
func (s *Server) read(c *fiber.Ctx, o messages.Operation) (err error) {
	if o.User, err = userOf(c); err != nil {
		return err
	}
	return s.readOf(c, o)
}

// readOf does the same for the operation's user, or for the schema.
func (s *Server) readOf(c *fiber.Ctx, o messages.Operation) error {
	r, err := s.fetch(c, o)
	if err != nil {
		return err
	}
	status, err := checkRead(c, &o, &r)
	if err != nil {
		return err
	}
	setState(c, &o, &r)
	switch status {
	case fiber.StatusNotModified:
		unmodified(c, len(r.Document))
		return nil
	case fiber.StatusPreconditionFailed:
		return problem{
			kind: messages.KindPrecondition, detail: missed(c, &o, &r),
			current: &messages.Result{Version: r.Version},
		}
	}
	c.Context().SetContentType(fiber.MIMEApplicationJSON)
	c.Response().SetBodyRaw(r.Document) // not shared, so not copied
	return nil
}

// fetch carries out a reading operation. Its error is a problem.
func (s *Server) fetch(c *fiber.Ctx, o messages.Operation) (messages.Result, error) {
	o.RequestID, o.Principal, o.Deadline = requestID(c), s.share(c), s.deadline(c)
	o.Trace = s.trace(c)
	r := s.queue.Read(&o)
	if r.Kind != "" {
		return r, problem{
			kind: r.Kind, detail: r.Detail, violations: r.Violations, more: r.MoreViolations,
		}
	}
	return r, nil
}

// deadline is the operation's deadline. The time of a request begins now, after its body has
// arrived; that of a subrequest began with its multi-request.
func (s *Server) deadline(c *fiber.Ctx) int64 {
	left := s.config.RequestTimeout
	if began, ok := c.Locals(beganKey).(time.Time); ok {
		left -= time.Since(began)
	}
	return s.queue.Deadline(left)
}

// userOf returns the user id in the path. fiber leaves it percent-encoded, so an encoded slash
// belongs to the id and doesn't end it.
func userOf(c *fiber.Ctx) (string, error) {
	id, err := url.PathUnescape(c.Params("id"))
	if err != nil {
		return "", problem{
			kind:   messages.KindMalformed,
			detail: "the user id is not percent-encoded correctly (RFC 3986)",
		}
	}
	if err := messages.CheckUser(id); err != nil {
		return "", problem{kind: messages.KindMalformed, detail: err.Error()}
	}
	return id, nil
}

// parseMediaType is mime.ParseMediaType with a fast path for the usual spellings.
func parseMediaType(value string) (mediaType string, parameters map[string]string, err error) {
	switch value {
	case fiber.MIMEApplicationJSON, mimeMergePatch, mimeJSONPatch:
		return value, nil, nil
	}
	return mime.ParseMediaType(value)
}

// bodyOf returns the request's body and its media type, which must be one of these. Workers check
// whether the body is valid; its size was checked before any handler.
func bodyOf(c *fiber.Ctx, mediaTypes ...string) (body []byte, mediaType string, err error) {
	if mediaType, err = mediaTypeOf(c, mediaTypes...); err != nil {
		return nil, "", err
	}
	if _, err = codingOf(c); err != nil {
		return nil, "", err
	}
	if waits(c) {
		return nil, "", errContinue
	}
	return c.Request().Body(), mediaType, nil
}

// mediaTypeOf returns the media type of the request's body. It must be one of these, and the body
// must be whole. Its error is a problem.
func mediaTypeOf(c *fiber.Ctx, mediaTypes ...string) (string, error) {
	mediaType, parameters, err := parseMediaType(c.Get(fiber.HeaderContentType))
	if err != nil || !slices.Contains(mediaTypes, mediaType) {
		return "", problem{
			kind:   kindUnsupportedMedia,
			detail: "send it with Content-Type: " + strings.Join(mediaTypes, " or "),
		}
	}
	if charset, ok := parameters["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return "", problem{
			kind: kindUnsupportedMedia, detail: "JSON must be UTF-8 (RFC 8259 section 8.1)",
		}
	}
	if c.Get(fiber.HeaderContentRange) != "" { // RFC 9110 section 14.5
		return "", problem{
			kind:   messages.KindMalformed,
			detail: "Content-Range is not supported; use PATCH to change parts of a document",
		}
	}
	return mediaType, nil
}
