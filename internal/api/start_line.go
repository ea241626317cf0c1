package api

import (
	"bytes"
	"errors"

	"github.com/valyala/fasthttp"

	"github.com/outset-settings/outset/pkg/messages"
)

// fasthttp takes a line feed alone for the end of the first line, waits until the time is over for
// the end of a head whose lines all end so, and doesn't keep the version of a request that it can't
// read. So the connection looks at the bytes of a head as they come.

// errBareLF ends a head that has a line feed without a carriage return before it.
var errBareLF = errors.New("a line of the head does not end with CR and LF")

// incoming is what is known of the head of a request while it comes.
type incoming struct {
	coming  bool // the head is not whole yet, and its beginning was seen
	bareLF  bool
	line    []byte // what has come of the line
	version []byte // the last word of the first line
}

// expect forgets the head before, and waits for the beginning of another.
func (h *incoming) expect() { h.forget(); h.coming = true }

// forget forgets it. What fasthttp has in its buffer of the next request was not seen.
func (h *incoming) forget() {
	h.coming, h.bareLF, h.line, h.version = false, false, h.line[:0], h.version[:0]
}

// take looks at bytes that have come.
func (h *incoming) take(p []byte) {
	for h.coming {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			h.line = append(h.line, p...)
			h.coming = len(h.line) <= maxHeaders // more is refused anyway
			return
		}
		h.line = append(h.line, p[:i]...)
		h.end()
		p = p[i+1:]
	}
}

// end ends a line.
func (h *incoming) end() {
	line, ok := bytes.CutSuffix(h.line, []byte("\r"))
	h.bareLF = h.bareLF || !ok
	switch {
	case len(line) == 0: // before the first line empty ones are skipped
		h.coming = len(h.version) == 0
	case len(h.version) == 0:
		h.version = append(h.version, line[bytes.LastIndexByte(line, ' ')+1:]...)
	}
	h.line = h.line[:0]
}

// headOf returns what the connection has seen of the head of the request.
func headOf(c *fasthttp.RequestCtx) (bareLF bool, version string) {
	conn, ok := c.Conn().(*connection)
	if !ok {
		return false, ""
	}
	conn.mu.Lock()
	defer conn.mu.Unlock()
	return conn.head.bareLF, string(conn.head.version)
}

var errVersion = problem{
	kind: kindHTTPVersion, detail: "this service speaks HTTP/1.1 and HTTP/1.0",
}

// unreadable is the problem of a request that fasthttp can't read.
func unreadable(c *fasthttp.RequestCtx) problem {
	bareLF, version := headOf(c)
	switch {
	case bareLF:
		return problem{kind: messages.KindMalformed, detail: errBareLF.Error()}
	case len(version) == len("HTTP/2.0") && version[:5] == "HTTP/" && version[6] == '.' &&
		version[5] != '1':
		return errVersion
	}
	return problem{
		kind: messages.KindMalformed, detail: "this is not a valid HTTP request (RFC 9112)",
	}
}
