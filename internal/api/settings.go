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

// The media types of patches, beside application/json, which means the first.
const (
	mimeMergePatch = "application/merge-patch+json" // RFC 7396
	mimeJSONPatch  = "application/json-patch+json"  // RFC 6902
	acceptPatch    = mimeMergePatch + ", " + mimeJSONPatch + ", " + fiber.MIMEApplicationJSON
)

// getSettings answers the user's document, byte for byte as it was saved; or, where that is asked
// for, with the schema's defaults added.
func (s *Server) getSettings(c *fiber.Ctx) error {
	effective, err := truth(c, "effective")
	if err != nil {
		return err
	}
	o := messages.Operation{Action: messages.ActionRead}
	if effective {
		o.Action = messages.ActionReadEffective
	}
	return s.read(c, o)
}

// truth is the value of a parameter that is true or false. Not there, it is false.
func truth(c *fiber.Ctx, name string) (bool, error) {
	switch value := c.Query(name); {
	case value == "true":
		return true, nil
	case value == "false", !c.Context().QueryArgs().Has(name):
		return false, nil
	}
	return false, problem{kind: messages.KindMalformed, detail: name + " must be true or false"}
}

// putSettings puts the body in the place of the user's document and answers that.
func (s *Server) putSettings(c *fiber.Ctx) error {
	document, _, err := bodyOf(c, fiber.MIMEApplicationJSON)
	if err != nil {
		return err
	}
	o := messages.Operation{Action: messages.ActionReplace, Document: document}
	return s.write(c, o, func(c *fiber.Ctx, _ string, _ *messages.Result) error {
		return send(c, document)
	})
}

// postSettings does the same, and wraps the answer.
func (s *Server) postSettings(c *fiber.Ctx) error {
	document, _, err := bodyOf(c, fiber.MIMEApplicationJSON)
	if err != nil {
		return err
	}
	o := messages.Operation{Action: messages.ActionReplace, Document: document}
	return s.write(c, o, func(c *fiber.Ctx, user string, _ *messages.Result) error {
		answer := append(make([]byte, 0, len(document)+len(user)+80), `{"status":"settings updated","userId":`...)
		answer, err := jsontext.AppendQuote(answer, user)
		if err != nil {
			return fmt.Errorf("quoting the user id: %w", err)
		}
		answer = append(answer, `,"settings":`...)
		answer = append(answer, document...)
		return send(c, append(answer, '}'))
	})
}

// patchSettings changes parts of the user's document and answers what came of it.
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

// deleteSettings removes the user's document.
func (s *Server) deleteSettings(c *fiber.Ctx) error {
	return s.write(c, messages.Operation{Action: messages.ActionDelete}, done)
}

// deleteUser erases all that is known of the user.
func (s *Server) deleteUser(c *fiber.Ctx) error {
	return s.write(c, messages.Operation{Action: messages.ActionErase}, done)
}

// read answers what an operation reads of the user of the path, if the preconditions let it.
func (s *Server) read(c *fiber.Ctx, o messages.Operation) (err error) {
	if o.User, err = userOf(c); err != nil {
		return err
	}
	return s.readOf(c, o)
}

// readOf does the same of the operation's user, or of the schema.
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
		c.Status(status)
		return nil
	case fiber.StatusPreconditionFailed:
		return problem{
			kind: messages.KindPrecondition, detail: missed(c, &o, &r),
			current: &messages.Result{Version: r.Version},
		}
	}
	c.Context().SetContentType(fiber.MIMEApplicationJSON)
	c.Response().SetBodyRaw(r.Document) // nobody else has it
	return nil
}

// fetch has an operation that reads done.
func (s *Server) fetch(c *fiber.Ctx, o messages.Operation) (messages.Result, error) {
	o.RequestID, o.Deadline = requestID(c), s.deadline(c)
	r := s.queue.Read(&o)
	if r.Kind != "" {
		return r, problem{kind: r.Kind, detail: r.Detail}
	}
	return r, nil
}

// deadline is when the request is given up, in the form of the wire. Its time begins now, when its
// body has come; for a subrequest it began with the multi-request.
func (s *Server) deadline(c *fiber.Ctx) int64 {
	began, ok := c.Locals(beganKey).(time.Time)
	if !ok {
		began = time.Now()
	}
	return began.Add(s.config.RequestTimeout).UnixMilli()
}

// userOf returns the user id of the path. fiber gives it as it was sent, so that an
// encoded slash belongs to the id and doesn't end it.
func userOf(c *fiber.Ctx) (string, error) {
	id, err := url.PathUnescape(c.Params("id"))
	if err != nil {
		return "", problem{
			kind:   messages.KindMalformed,
			detail: "the user id is not percent-encoded as RFC 3986 wants it",
		}
	}
	if err := messages.CheckUser(id); err != nil {
		return "", problem{kind: messages.KindMalformed, detail: err.Error()}
	}
	return id, nil
}

// parseMediaType is mime.ParseMediaType, which takes its time, for what is spelt otherwise than
// nearly everybody does.
func parseMediaType(value string) (mediaType string, parameters map[string]string, err error) {
	switch value {
	case fiber.MIMEApplicationJSON, mimeMergePatch, mimeJSONPatch:
		return value, nil, nil
	}
	return mime.ParseMediaType(value)
}

// bodyOf returns the request's body, and its media type, if that is one of these. Whether it is
// what it claims is for the worker to tell. It is not too large: that is refused before any
// handler.
func bodyOf(c *fiber.Ctx, mediaTypes ...string) (body []byte, mediaType string, err error) {
	if mediaType, err = mediaTypeOf(c, mediaTypes...); err != nil {
		return nil, "", err
	}
	return c.Request().Body(), mediaType, nil
}

// mediaTypeOf returns the media type of the request's body, if that is one of these and nothing is
// done to it.
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
			kind: kindUnsupportedMedia, detail: "JSON is UTF-8 (RFC 8259 section 8.1)",
		}
	}
	if c.Get(fiber.HeaderContentEncoding) != "" {
		return "", problem{
			kind: kindUnsupportedMedia, detail: "content encodings are not supported",
		}
	}
	if c.Get(fiber.HeaderContentRange) != "" { // RFC 9110 section 14.5
		return "", problem{
			kind:   messages.KindMalformed,
			detail: "a part of a document (Content-Range) can't be sent; PATCH changes parts",
		}
	}
	return mediaType, nil
}
