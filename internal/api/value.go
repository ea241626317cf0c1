package api

import (
	"bytes"
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/outset-settings/outset/pkg/messages"
)

// getValue answers with one value of the user's document.
func (s *Server) getValue(c *fiber.Ctx) error {
	path, err := pathOf(c)
	if err != nil {
		return err
	}
	return s.read(c, messages.Operation{Action: messages.ActionReadValue, Path: path})
}

// putValue sets a value of the user's document to the body.
func (s *Server) putValue(c *fiber.Ctx) error {
	path, err := pathOf(c)
	if err != nil {
		return err
	}
	value, _, err := bodyOf(c, fiber.MIMEApplicationJSON)
	if err != nil {
		return err
	}
	o := messages.Operation{Action: messages.ActionSetValue, Path: path, Document: value}
	return s.write(c, o, func(c *fiber.Ctx, _ string, r *messages.Result) error {
		if r.Created {
			c.Status(fiber.StatusCreated)
		}
		if r.Path != nil { // "-" in the request's path has become an index
			c.Set(fiber.HeaderLocation, valueReference(path, r.Path))
		}
		return send(c, bytes.Trim(value, " \t\r\n")) // as GET will answer
	})
}

// deleteValue removes one value from the user's document.
func (s *Server) deleteValue(c *fiber.Ctx) error {
	path, err := pathOf(c)
	if err != nil {
		return err
	}
	return s.write(c, messages.Operation{Action: messages.ActionDeleteValue, Path: path}, done)
}

const trailingSlash = `the path of the value ends with a slash; leave it out ` +
	`(a last key that is "" can be reached with PATCH only)`

// pathOf returns the keys and indexes in the rest of the request's path, one for each segment. An
// encoded slash belongs to a key.
func pathOf(c *fiber.Ctx) ([]string, error) {
	path := strings.Split(c.Params("*"), "/")
	if path[len(path)-1] == "" { // more likely a slip than the key ""
		return nil, problem{kind: messages.KindMalformed, detail: trailingSlash}
	}
	for i, s := range path {
		token, err := url.PathUnescape(s)
		if err != nil {
			return nil, problem{
				kind:   messages.KindMalformed,
				detail: "the path is not percent-encoded correctly (RFC 3986)",
			}
		}
		path[i] = token
	}
	if err := messages.CheckPath(path); err != nil {
		return nil, problem{kind: messages.KindMalformed, detail: err.Error()}
	}
	return path, nil
}

// segment encodes a user id, a key or an index as a segment of a path. It also encodes "." and
// "..", which clients would resolve.
func segment(token string) string {
	if token == "." || token == ".." {
		return strings.ReplaceAll(token, ".", "%2E")
	}
	return url.PathEscape(token)
}
