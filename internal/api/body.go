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

const (
	// bodyBudget is how many bytes the bodies of all requests, and the answers of all
	// multi-requests, may have in memory. Nobody holds more than they leave; see [access.Shares].
	bodyBudget = 256 << 20
	// firstRoom is how much room a body gets first: as much as fasthttp reads of it by itself. Then
	// it gets twice as much each time, so nobody holds much more than twice what they have sent.
	firstRoom = 8 << 10
)

var errNoRoom = problem{
	kind: messages.KindOverloaded, detail: "too many large requests are being processed",
}

// streamBodies has fasthttp leave bodies to readBody.
func (s *Server) streamBodies(server *fasthttp.Server) {
	server.StreamRequestBody = true
	server.DisablePreParseMultipartForm = true // it writes files, without a limit
	server.HeaderReceived = func(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
		c := fasthttp.RequestConfig{MaxRequestBodySize: s.bodyLimit(h)}
		switch length := h.ContentLength(); {
		case length > c.MaxRequestBodySize:
			c.MaxRequestBodySize = 1 // it is refused anyway, so don't wait for its first bytes
		case length > leastRate: // fasthttp waits for so many bytes before it calls the handler
			c.ReadTimeout = s.config.ReadTimeout + earned(min(length, firstRoom))
		}
		return c
	}
}

// checkLength refuses a body that is known to be too large before it was sent.
func (s *Server) checkLength(c *fiber.Ctx) error {
	if h := &c.Request().Header; c.Path() != importPath && h.ContentLength() > s.bodyLimit(h) {
		return fiber.ErrRequestEntityTooLarge
	}
	return nil
}

// readBody reads the whole body for the handler, and takes the room for it. If it fails, the
// connection ends with the answer, since the rest of the body is not read.
func (s *Server) readBody(c *fiber.Ctx, taken *room) error {
	stream := streamOf(c.Context())
	if stream == nil {
		return nil
	}
	if taken.of == nil {
		*taken = room{of: s.bodies, who: s.sharer(c)}
	}
	if length := c.Request().Header.ContentLength(); length < 0 || length > firstRoom {
		stream = &paced{
			Reader: stream, set: c.Context().SetReadDeadline, timeout: s.config.ReadTimeout,
		}
	} // else fasthttp has read it
	err := takeBody(c.Request(), stream, s.bodyLimit(&c.Request().Header), taken)
	if err == nil && !brokenOff(c.Context()) {
		return refuseTrailers(c)
	}
	if timedOut(err) {
		c.Context().SetConnectionClose()
		return fiber.ErrRequestTimeout
	}
	endAfter(c)
	var p problem
	switch {
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		return fiber.ErrRequestEntityTooLarge
	case errors.As(err, &p):
		return p
	}
	return fiber.ErrBadRequest
}

// refuseTrailers refuses a body that is followed by trailer fields. fasthttp puts them beside the
// headers, which have been checked before and may say something else.
func refuseTrailers(c *fiber.Ctx) error {
	if len(c.Request().Header.PeekTrailerKeys()) == 0 {
		return nil
	}
	endAfter(c)
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

// takeBody reads a body of at most so many bytes from the connection into the request, and takes
// room for what has arrived: a client may announce much and send little. The body stays valid after
// the request, unlike one in fasthttp's own buffers.
func takeBody(r *fasthttp.Request, stream io.Reader, most int, taken *room) error {
	length := r.Header.ContentLength()
	switch {
	case length > most:
		return fasthttp.ErrBodyTooLarge
	case length < 0:
		length = most + 1 // chunked: it ends by itself, or there is one byte too many
	}
	var body []byte
	for len(body) < length {
		if len(body) == cap(body) {
			grown := min(max(2*cap(body), firstRoom), length)
			if !taken.take(grown - cap(body)) {
				return errNoRoom
			}
			body = append(make([]byte, 0, grown), body...)
		}
		n, err := stream.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
	}
	switch {
	case len(body) > most:
		return fasthttp.ErrBodyTooLarge
	case r.Header.ContentLength() > len(body):
		return io.ErrUnexpectedEOF
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
