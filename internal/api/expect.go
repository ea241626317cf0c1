package api

import (
	"errors"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// A client that sends Expect: 100-continue waits before it sends its body. It gets the final answer
// without that where method, path, length, type or token decide it (RFC 9110, section 10.1.1). So
// the handlers run until one asks for the body. Then the client is told to send it, and they run
// again.

// The keys of a request that waits, in fiber's Locals.
const (
	waitingKey  = "waiting"  // its client waits
	continueKey = "continue" // the body is needed
)

// errContinue is the error of a handler that needs a body which has not been sent yet.
var errContinue = errors.New("the body is needed")

// waits tells whether the client of the request waits to be told to send its body.
func waits(c *fiber.Ctx) bool { return c.Locals(waitingKey) == true }

// continues tells whether the client was told so.
func continues(c *fiber.Ctx) bool { return c.Locals(continueKey) == true }

// answerExpectation returns 100 or the status of the final answer, which it has made then.
// fasthttp sends what it finds in the answer, and ends the connection.
func (s *Server) answerExpectation(c *fasthttp.RequestCtx) int {
	if length := c.Request.Header.ContentLength(); length == 0 || length < -1 {
		return fasthttp.StatusContinue // there is nothing to wait for
	}
	c.SetUserValue(waitingKey, true)
	s.serve(c)
	c.SetUserValue(waitingKey, nil)
	if c.UserValue(continueKey) == true {
		c.Response.ResetBody()
		c.Response.Header.Del(fiber.HeaderConnection)
		return fasthttp.StatusContinue
	}
	linger(c) // in case it doesn't wait
	return c.Response.StatusCode()
}
