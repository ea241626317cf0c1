package api

import (
	"errors"
	"io"
	"net"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// Bodies are read here and not by fasthttp, which would read those of imports, too: it reads all of
// them or none.

// importPath takes a body without end.
const importPath = "/users/import"

// readsItsBody tells of requests whose handler reads the body itself: it has no end, or memory
// for it must be taken first.
func readsItsBody(c *fiber.Ctx) bool {
	return c.Method() == fiber.MethodPost && (c.Path() == importPath || c.Path() == multiPath)
}

// streamBodies has fasthttp leave bodies to readBody.
func (s *Server) streamBodies(server *fasthttp.Server) {
	server.StreamRequestBody = true
	server.DisablePreParseMultipartForm = true // into files, without a limit
	server.HeaderReceived = func(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
		most := s.bodyLimit(h)
		if h.ContentLength() > most {
			most = 1 // the first bytes of what is refused anyway aren't waited for
		}
		return fasthttp.RequestConfig{MaxRequestBodySize: most}
	}
}

// readBody reads the request's body, so that its handler has all of it. Whoever is refused in the
// middle of a body makes no other request on the connection.
func (s *Server) readBody(c *fiber.Ctx) error {
	stream := c.Context().RequestBodyStream()
	if stream == nil {
		return nil
	}
	err := takeBody(c.Request(), stream, s.bodyLimit(&c.Request().Header))
	if err == nil && !brokenOff(c.Context()) {
		return nil
	}
	if timedOut(err) {
		c.Context().SetConnectionClose()
		return fiber.ErrRequestTimeout // who had time enough gets no more
	}
	endAfter(c)
	if errors.Is(err, fasthttp.ErrBodyTooLarge) {
		return fiber.ErrRequestEntityTooLarge
	}
	return fiber.ErrBadRequest
}

// endAfter has the connection end with the answer, such that a client hears it that is still
// sending.
func endAfter(c *fiber.Ctx) {
	c.Context().SetConnectionClose()
	linger(c.Context())
}

// takeBody reads a body of at most so many bytes from the connection into the request. It stays as
// it is after the request, which what is in fasthttp's own buffers does not.
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
		body, err = io.ReadAll(io.LimitReader(stream, int64(most)+1)) // in chunks
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

// timedOut tells whether a client was too slow. In what fasthttp says of chunks the cause can only
// be read.
func timedOut(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout() ||
		err != nil && strings.Contains(err.Error(), "timeout")
}
