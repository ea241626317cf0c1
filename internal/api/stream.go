package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/klauspost/compress/gzip"

	"github.com/outset-settings/outset/internal/access"
	"github.com/outset-settings/outset/pkg/messages"
)

// mimeLines is the media type of newline-delimited JSON: one JSON text a line.
const mimeLines = "application/x-ndjson"

const headerAccelBuffering = "X-Accel-Buffering"

const (
	// chunkSize is how many bytes of a streamed body are collected before they are sent.
	chunkSize = 32 << 10
	// maxExports bounds the memory of exports: each holds a part of the users, about 1 MiB.
	maxExports = 32
	// streamTimeout is how long a client may take to receive one chunk. It is long because a kernel
	// announces a larger window only when much of its buffer is free: a client that reads 30 KB a
	// second, with a buffer of some MB, reads steadily and yet accepts nothing for 20 seconds or
	// more. The number of streams bounds the memory that is held meanwhile.
	streamTimeout = time.Minute
	// maxHeld is how many bytes are held back for a client that sends everything before it reads:
	// the outcomes of about 70,000 lines of an import.
	maxHeld = 4 << 20
)

// errCut ends a connection in the middle of a body, so that no client takes the body for complete.
// It wraps io.ErrUnexpectedEOF, which fasthttp does not log.
var errCut = fmt.Errorf("the body was cut: %w", io.ErrUnexpectedEOF)

// slot takes one of the places for requests of a kind that take long and hold much memory, and
// returns a function that gives it back. Its error is a problem.
func (s *Server) slot(c *fiber.Ctx, of *access.Shares) (release func(), err error) {
	r := room{of: of, who: s.sharer(c)}
	if !r.take(1) {
		return nil, problem{
			kind: messages.KindOverloaded, detail: "too many requests of this kind are in progress",
		}
	}
	return r.release, nil
}

// lines is a response body that is produced and written line by line, on the connection's
// goroutine. fasthttp calls WriteTo, which may take any time, and then Close.
type lines struct {
	request string // its id
	root    string // leads from the request to the root of the API
	write   func(*lines) error
	close   func()
	hold    func() bool  // nothing may be sent yet; nil: always
	zip     *gzip.Writer // into packed; nil: the client takes no gzip

	deadline deadline
	w        io.Writer
	pending  []byte
	packed   bytes.Buffer
}

// sendLines answers with the lines that write writes. If write fails, the last line has the
// problem, and the connection is cut. closing is always called at the end. While hold returns true
// nothing is sent, unless that becomes too much.
func (s *Server) sendLines(
	c *fiber.Ctx, write func(*lines) error, hold func() bool, closing func(),
) error {
	c.Context().SetContentType(mimeLines)
	dontBuffer(c)
	l := &lines{
		request: requestID(c), root: rootFrom(c), write: write, hold: hold,
		deadline: deadline{set: c.Context().SetWriteDeadline},
	}
	if negotiate(c.Context(), minCompressed) {
		l.zip, _ = gzip.NewWriterLevel(&l.packed, gzip.BestSpeed)
	}
	l.close = sync.OnceFunc(func() {
		s.streams.remove(l)
		closing()
	})
	s.streams.add(l)
	if !c.Request().Header.IsHTTP11() {
		return l.sendUnframed(c)
	}
	if c.Response().ImmediateHeaderFlush = hold == nil; hold == nil { // somebody may wait for it
		_ = l.deadline.next() // fails if the connection is gone
	}
	c.Context().SetBodyStream(l, -1)
	return nil
}

// dontBuffer tells proxies to pass each piece of the answer on as it comes. nginx and some others
// know the header; nginx would else wait for a buffer to be full.
func dontBuffer(c *fiber.Ctx) { set(c, headerAccelBuffering, "no") }

// headUntilEnd returns the head of an answer whose body has neither a length nor chunks: it ends
// with the connection.
func headUntilEnd(c *fiber.Ctx) []byte {
	c.Response().Header.SetContentLength(-2)
	return bytes.Clone(c.Response().Header.Header())
}

// sendUnframed sends the lines to a client that doesn't know chunks (HTTP/1.0), such as nginx by
// default. The end of the connection ends the body, and only the last line tells that the body is
// whole. fasthttp would send chunks, so the connection is written to here.
func (l *lines) sendUnframed(c *fiber.Ctx) error {
	defer func() { _ = l.Close() }()
	conn := c.Context().Conn()
	c.Context().HijackSetNoResponse(true)
	c.Context().Hijack(func(net.Conn) { _ = conn.Close() })
	w := &headWriter{conn, headUntilEnd(c)}
	onlyHead := c.Method() == fiber.MethodHead
	if onlyHead || l.hold == nil {
		if l.deadline.next() != nil || w.flush() != nil {
			return nil // the client has gone
		}
	}
	if !onlyHead {
		_, _ = l.WriteTo(w) // its last line tells of a failure
	}
	return nil
}

// headWriter writes a head before all else.
type headWriter struct {
	net.Conn

	head []byte
}

func (w *headWriter) Write(p []byte) (int, error) {
	if err := w.flush(); err != nil {
		return 0, err
	}
	return w.Conn.Write(p)
}

func (w *headWriter) flush() error {
	if w.head == nil {
		return nil
	}
	_, err := w.Conn.Write(w.head)
	w.head = nil
	return err
}

// SupportsBodyWriteTo tells fasthttp to call WriteTo.
func (*lines) SupportsBodyWriteTo() bool { return true }

// Read is never called.
func (*lines) Read([]byte) (int, error) { return 0, errCut }

// Close is called after WriteTo, or without it if the client has gone.
func (l *lines) Close() error {
	l.close()
	return nil
}

// WriteTo writes all lines.
func (l *lines) WriteTo(w io.Writer) (int64, error) {
	l.w = w
	err := l.write(l)
	l.hold = nil
	if err == nil {
		return 0, l.end()
	}
	object, _, encodeErr := object(err, l.root, l.request)
	if encodeErr == nil && l.add(`{"error":`, string(object), "}\n") == nil {
		_ = l.end() // fails if the client has gone
	}
	return 0, errCut
}

// add appends text, and flushes if a chunk is full.
func (l *lines) add(text ...string) error {
	for _, t := range text {
		l.pending = append(l.pending, t...)
	}
	return l.flushIfFull()
}

func (l *lines) flushIfFull() error {
	if len(l.pending) < chunkSize {
		return nil
	}
	return l.flush()
}

// flush sends what is pending, unless it is held back.
func (l *lines) flush() error {
	if len(l.pending) == 0 {
		return nil
	}
	if l.hold != nil && len(l.pending) < maxHeld && l.hold() {
		return nil
	}
	l.hold = nil
	return l.send((*gzip.Writer).Flush)
}

// end sends the rest.
func (l *lines) end() error { return l.send((*gzip.Writer).Close) }

// send sends what is pending. The client has streamTimeout to receive it, or less if the API
// stops. Where there is nothing it sends nothing: an empty chunk would end the body.
func (l *lines) send(finish func(*gzip.Writer) error) error {
	if err := l.deadline.next(); err != nil {
		return err
	}
	text := l.pending
	if l.zip != nil {
		_, _ = l.zip.Write(text) // a Buffer takes everything
		_ = finish(l.zip)
		text = l.packed.Bytes()
	}
	if len(text) == 0 {
		return nil
	}
	_, err := l.w.Write(text)
	l.packed.Reset()
	if l.pending = l.pending[:0]; cap(l.pending) > 4*chunkSize { // a large document was in it
		l.pending = nil
	}
	return err
}

// object returns the problem object of an error, and its status.
func object(err error, root, requestID string) (object []byte, status int, _ error) {
	var p problem
	_ = errors.As(err, &p)
	p = p.known()
	entry := statuses[p.kind]
	object, err = p.body(entry.status, entry.title, root, requestID)
	return object, entry.status, err
}
