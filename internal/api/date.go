package api

import (
	"bufio"
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// fasthttp renews its Date once a second, counted from the program's start, so it was up to a
// second behind: Last-Modified, which is not, was later than it in half of the answers to writes.
// Its methods ignore a Date that they are to set, but they keep one that they parse. So an answer
// begins as a parsed head, whose Date is overwritten when the answer is ready; all dates have one
// length.

// dated is a head with the Date of one second.
type dated struct {
	second int64
	date   []byte
	head   []byte
}

var (
	lastDated atomic.Pointer[dated]
	parsers   = sync.Pool{New: func() any { return &parser{} }}
)

// parser is what a head is parsed with.
type parser struct {
	bytes  bytes.Reader
	buffer bufio.Reader
}

// now returns the head with the current Date.
func now() *dated {
	t := time.Now()
	d := lastDated.Load()
	if d == nil || d.second != t.Unix() {
		date := fasthttp.AppendHTTPDate(nil, t)
		d = &dated{t.Unix(), date, fmt.Appendf(nil,
			"HTTP/1.1 204\r\nDate: %s\r\n\r\n", date)} // with 204 no length is missed
		lastDated.Store(d)
	}
	return d
}

// beginHead empties the head of the answer, and gives it a Date. It keeps that the connection ends.
func beginHead(c *fasthttp.RequestCtx) {
	h := &c.Response.Header
	ends := h.ConnectionClose()
	p, _ := parsers.Get().(*parser)
	defer parsers.Put(p)
	p.bytes.Reset(now().head)
	p.buffer.Reset(&p.bytes)
	_ = h.Read(&p.buffer) // of our own making
	h.SetStatusCode(fasthttp.StatusOK)
	if ends {
		h.SetConnectionClose()
	}
}

// renewDate makes the Date that of now, after all other times that the answer has.
func renewDate(c *fiber.Ctx) { copy(c.Response().Header.Peek(fiber.HeaderDate), now().date) }
