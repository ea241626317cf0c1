package api

import (
	"errors"
	"slices"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/outset-settings/outset/pkg/messages"
)

// A refusal costs a client nothing, and the API the reading of the request. Who was refused and asks
// again at once, as often as a connection carries, kept it from others: beside 8,000 refused patches
// of 64 KB a second another client waited 107 ms for a read, and beside 700 waits 10 (p99, 2 cores).
// So each principal's refusals have a pace, and what is beyond it is answered later. What a worker
// says of somebody's settings, such as that a value isn't there or a precondition doesn't hold, is
// no refusal.

const (
	// refusalRate is how many bytes a second of refused requests a principal may send for each
	// processor, before answers wait.
	refusalRate = 8 << 20
	// refusalCost is what a request costs in bytes beside its body: 25 µs.
	refusalCost = 2 << 10
	// unknownLength is what the body of a refused request may cost whose length isn't known.
	unknownLength = 1 << 20
	// longestRefusal is how long an answer waits at most: as long as it tells the client to wait.
	longestRefusal = time.Second
)

// refusalKey is the key of how long the answer to a request waits, in fiber's Locals.
const refusalKey = "refusal"

// isRefusal tells whether a request is refused for what it is, or since too much waits.
func isRefusal(kind messages.Kind, err error) bool {
	switch kind {
	case messages.KindOverloaded, messages.KindMalformed, messages.KindTooLarge:
		return true
	case kindTimeout: // the client was slow enough
		return false
	case messages.KindNotFound: // of a route, which fiber tells, and not of a value
		var e *fiber.Error
		return errors.As(err, &e)
	default:
		return !slices.Contains(messages.AllKinds, kind)
	}
}

// countRefusal charges a refusal to the sender.
func (s *Server) countRefusal(c *fiber.Ctx) {
	who := s.sharer(c)
	if who == "" {
		return
	}
	cost := refusalCost
	if length := c.Request().Header.ContentLength(); length == -1 { // it comes in chunks
		cost += unknownLength
	} else if length > 0 {
		cost += min(length, refusalRate)
	}
	c.Locals(refusalKey, s.refusals.Delay(who, cost, s.timing.now()))
}

// delayLike has the answer to a multi-request wait for as long as that to one of its subrequests.
func delayLike(c *fiber.Ctx, subrequests []fasthttp.RequestCtx) {
	var longest time.Duration
	for i := range subrequests {
		delay, _ := subrequests[i].UserValue(refusalKey).(time.Duration)
		longest = max(longest, delay)
	}
	c.Locals(refusalKey, longest)
}

// delayRefusal waits until the answer may be sent, if it is a refusal.
func (s *Server) delayRefusal(c *fasthttp.RequestCtx) {
	delay, _ := c.UserValue(refusalKey).(time.Duration)
	if delay == 0 {
		return
	}
	if !c.Request.IsBodyStream() {
		c.Request.ResetBody() // its room is given back already
	}
	s.timing.sleep(delay)
}
