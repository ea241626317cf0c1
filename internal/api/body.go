package api

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// Bodies are read here and not by fasthttp, which would read those of imports, too: it reads all of them or none.

// prefetched is how much of a body fasthttp has read before it calls a handler, if the length was announced.
const prefetched = 8 << 10

// importPath takes a body without end, which its handler reads.
const importPath = "/users/import"

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

// readBody reads the request's body, so that its handler has all of it. Whoever is refused in the middle of a body makes no
// other request on the connection.
func (s *Server) readBody(c *fiber.Ctx) error {
	stream := c.Context().RequestBodyStream()
	if stream == nil || c.Method() == fiber.MethodPost && c.Path() == importPath {
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

// endAfter has the connection end with the answer, such that a client hears it that is still sending.
func endAfter(c *fiber.Ctx) {
	c.Context().SetConnectionClose()
	linger(c.Context())
}

// takeBody reads a body of at most so many bytes from the connection into the request.
func takeBody(r *fasthttp.Request, stream io.Reader, most int) error {
	length := r.Header.ContentLength()
	switch {
	case length > most:
		return fasthttp.ErrBodyTooLarge
	case length >= 0 && length <= prefetched:
		// It is in the request already. The stream is read for what fasthttp thinks of it: of one that was
		// left unread it would make sure before the next request.
		if _, err := io.Copy(io.Discard, stream); err != nil {
			return err
		}
		return r.CloseBodyStream()
	case length >= 0:
		body := make([]byte, length)
		if _, err := io.ReadFull(stream, body); err != nil {
			return err
		}
		r.SetBodyRaw(body)
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(stream, int64(most)+1)) // in chunks
	if err != nil {
		return err
	}
	if len(body) > most {
		return fasthttp.ErrBodyTooLarge
	}
	r.SetBodyRaw(body)
	return nil
}

// rawBody is the request's body, which stays as it is after the request.
func rawBody(c *fiber.Ctx) []byte {
	body := c.Request().Body()
	if length := c.Request().Header.ContentLength(); length >= 0 && length <= prefetched {
		return bytes.Clone(body) // fasthttp uses the buffer again
	}
	return body
}

// timedOut tells whether a client was too slow. In what fasthttp says of chunks the cause can only be read.
func timedOut(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout() || err != nil && strings.Contains(err.Error(), "timeout")
}
