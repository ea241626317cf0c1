package api

import (
	"errors"
	"io"
	"net"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/outset-settings/outset/pkg/messages"
)

// Bodies are read here and not by fasthttp, which reads either all bodies or none: those of imports
// must not be read as a whole.

// importPath takes a body of any length.
const importPath = "/users/import"

// readsItsBody tells whether the handler of a request reads the body itself, either because it may
// have any length or because memory for it must be reserved first.
func readsItsBody(c *fiber.Ctx) bool {
	return c.Method() == fiber.MethodPost && (c.Path() == importPath || c.Path() == multiPath)
}

// streamBodies has fasthttp leave bodies to readBody.
func (s *Server) streamBodies(server *fasthttp.Server) {
	server.StreamRequestBody = true
	server.DisablePreParseMultipartForm = true // it writes files, without a limit
	server.HeaderReceived = func(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
		most := s.bodyLimit(h)
		if h.ContentLength() > most {
			most = 1 // it is refused anyway, so don't wait for its first bytes
		}
		return fasthttp.RequestConfig{MaxRequestBodySize: most}
	}
}

// checkLength refuses a body that is known to be too large before it was sent.
func (s *Server) checkLength(c *fiber.Ctx) error {
	if h := &c.Request().Header; c.Path() != importPath && h.ContentLength() > s.bodyLimit(h) {
		return fiber.ErrRequestEntityTooLarge
	}
	return nil
}

// readBody reads the whole body for the handler. If it fails, the connection ends with the answer,
// since the rest of the body is not read.
func (s *Server) readBody(c *fiber.Ctx) error {
	stream := streamOf(c.Context())
	if stream == nil {
		return nil
	}
	err := takeBody(c.Request(), stream, s.bodyLimit(&c.Request().Header))
	if err == nil && !brokenOff(c.Context()) {
		return refuseTrailers(c)
	}
	if timedOut(err) {
		c.Context().SetConnectionClose()
		return fiber.ErrRequestTimeout
	}
	endAfter(c)
	if errors.Is(err, fasthttp.ErrBodyTooLarge) {
		return fiber.ErrRequestEntityTooLarge
	}
	return fiber.ErrBadRequest
}

// refuseTrailers refuses a body that is followed by trailer fields. fasthttp puts them beside the
// headers, which have been checked before and may say something else.
func refuseTrailers(c *fiber.Ctx) error {
	if len(c.Request().Header.PeekTrailerKeys()) == 0 {
		return nil
	}
	return problem{
		kind: messages.KindMalformed, detail: "trailer fields are not taken (RFC 9110, section 6.5)",
	}
}

// endAfter ends the connection after the answer, in a way that a client that is still sending gets
// the answer.
func endAfter(c *fiber.Ctx) {
	c.Context().SetConnectionClose()
	linger(c.Context())
}

// takeBody reads a body of at most so many bytes from the connection into the request. The body
// stays valid after the request, unlike one in fasthttp's own buffers.
func takeBody(r *fasthttp.Request, stream io.Reader, most int) (err error) {
	length := r.Header.ContentLength()
	if length > most {
		return fasthttp.ErrBodyTooLarge
	}
	var body []byte
	if length >= 0 {
		body = make([]byte, length)
		_, err = io.ReadFull(stream, body)
	} else {
		body, err = io.ReadAll(io.LimitReader(stream, int64(most)+1)) // chunked
	}
	switch {
	case err != nil:
		return err
	case len(body) > most:
		return fasthttp.ErrBodyTooLarge
	}
	r.SetBodyRaw(body)
	return nil
}

// timedOut tells whether a client was too slow. fasthttp's errors about chunks have the cause in
// their text only.
func timedOut(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout() ||
		err != nil && strings.Contains(err.Error(), "timeout")
}
