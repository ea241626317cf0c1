package api

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/outset-settings/outset/pkg/messages"
)

// mimeLines is the media type of JSON texts one after the other, each on a line of its own.
const mimeLines = "application/x-ndjson"

const (
	// chunkSize is how many bytes of a streamed body are collected before they leave.
	chunkSize = 32 << 10
	// maxExports bounds what is held for exports: each has a part of the users, about 1 MiB.
	maxExports = 32
	// streamTimeout is how long a client may take for what is sent at once. A kernel makes room for
	// more only when much of its buffer is free: who reads 30 KB a second and has some MB of it
	// reads steadily and takes nothing for 20 seconds or more. What is held meanwhile is bounded by
	// the number of streams.
	streamTimeout = time.Minute
)

// errCut ends a connection in the middle of a body, so that nobody takes it for the whole. Of
// errors like this one fasthttp logs nothing.
var errCut = fmt.Errorf("the body was cut: %w", io.ErrUnexpectedEOF)

// slots are places for requests that take long and hold much.
type slots chan struct{}

// take returns what gives the place back. Its error is a problem.
func (s slots) take() (release func(), err error) {
	select {
	case s <- struct{}{}:
		return func() { <-s }, nil
	default:
		return nil, problem{
			kind: messages.KindOverloaded, detail: "too many of these are under way already",
		}
	}
}

// needChunks refuses a client that would take the chunks of an endless body for the body, and an
// answer that was cut for the whole.
func needChunks(c *fiber.Ctx) error {
	if !c.Request().Header.IsHTTP11() {
		return problem{kind: kindHTTPVersion, detail: "exports and imports need HTTP/1.1"}
	}
	return nil
}

// lines is a response body that is written line by line while it is made, on the connection's own
// goroutine. fasthttp calls WriteTo, which may take as long as it takes, and then Close.
type lines struct {
	request string // its id
	write   func(*lines) error
	close   func()

	deadline deadline
	w        io.Writer
	pending  []byte
}

// sendLines answers with the lines that write writes. When write fails the last line tells the
// problem, and the connection is cut. closing is called at the end in any case.
func (s *Server) sendLines(c *fiber.Ctx, write func(*lines) error, closing func()) error {
	c.Context().SetContentType(mimeLines)
	l := &lines{
		request: requestID(c), write: write, deadline: deadline{set: c.Context().SetWriteDeadline},
	}
	l.close = sync.OnceFunc(func() {
		s.streams.remove(l)
		closing()
	})
	s.streams.add(l)
	c.Context().SetBodyStream(l, -1)
	return nil
}

// SupportsBodyWriteTo tells fasthttp to call WriteTo.
func (*lines) SupportsBodyWriteTo() bool { return true }

// Read is never called.
func (*lines) Read([]byte) (int, error) { return 0, errCut }

// Close is called when all is written, or nothing can be.
func (l *lines) Close() error {
	l.close()
	return nil
}

// WriteTo writes all lines.
func (l *lines) WriteTo(w io.Writer) (int64, error) {
	l.w = w
	err := l.write(l)
	if err == nil {
		return 0, l.flush()
	}
	object, _, encodeErr := object(err, l.request)
	if encodeErr == nil && l.add(`{"error":`, string(object), "}\n") == nil {
		_ = l.flush() // fails where the client is what failed
	}
	return 0, errCut
}

// add appends text, and sends what has come together if it is much.
func (l *lines) add(text ...string) error {
	for _, t := range text {
		l.pending = append(l.pending, t...)
	}
	return l.sendIfMuch()
}

func (l *lines) sendIfMuch() error {
	if len(l.pending) < chunkSize {
		return nil
	}
	return l.flush()
}

// flush sends what has come together. Each time the client has streamTimeout to take it, or less
// when the API stops.
func (l *lines) flush() error {
	if err := l.deadline.next(); err != nil {
		return err
	}
	_, err := l.w.Write(l.pending)
	if l.pending = l.pending[:0]; cap(l.pending) > 4*chunkSize { // a large document was in it
		l.pending = nil
	}
	return err
}

// object is an error as a problem object, and its status.
func object(err error, requestID string) (object []byte, status int, _ error) {
	var p problem
	_ = errors.As(err, &p)
	p = p.known()
	entry := statuses[p.kind]
	object, err = p.body(entry.status, entry.title, requestID)
	return object, entry.status, err
}
