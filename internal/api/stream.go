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

// mimeLines is the media type of newline-delimited JSON: one JSON text a line.
const mimeLines = "application/x-ndjson"

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
)

// errCut ends a connection in the middle of a body, so that no client takes the body for complete.
// It wraps io.ErrUnexpectedEOF, which fasthttp does not log.
var errCut = fmt.Errorf("the body was cut: %w", io.ErrUnexpectedEOF)

// slots limit the requests of a kind that take long and hold much memory.
type slots chan struct{}

// take takes a slot, and returns a function that gives it back. Its error is a problem.
func (s slots) take() (release func(), err error) {
	select {
	case s <- struct{}{}:
		return func() { <-s }, nil
	default:
		return nil, problem{
			kind: messages.KindOverloaded, detail: "too many requests of this kind are in progress",
		}
	}
}

// needChunks refuses clients without chunked encoding: one would take the chunks for the body, and
// an incomplete answer for a complete one.
func needChunks(c *fiber.Ctx) error {
	if !c.Request().Header.IsHTTP11() {
		return problem{kind: kindHTTPVersion, detail: "exports and imports need HTTP/1.1"}
	}
	return nil
}

// lines is a response body that is produced and written line by line, on the connection's
// goroutine. fasthttp calls WriteTo, which may take any time, and then Close.
type lines struct {
	request string // its id
	write   func(*lines) error
	close   func()

	deadline deadline
	w        io.Writer
	pending  []byte
}

// sendLines answers with the lines that write writes. If write fails, the last line has the
// problem, and the connection is cut. closing is always called at the end.
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

// Close is called after WriteTo, or without it if the client has gone.
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
		_ = l.flush() // fails if the client has gone
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

// flush sends what is pending. The client has streamTimeout to receive it, or less if the API
// stops. Where nothing is pending it sends nothing: an empty chunk would end the body.
func (l *lines) flush() error {
	if len(l.pending) == 0 {
		return nil
	}
	if err := l.deadline.next(); err != nil {
		return err
	}
	_, err := l.w.Write(l.pending)
	if l.pending = l.pending[:0]; cap(l.pending) > 4*chunkSize { // a large document was in it
		l.pending = nil
	}
	return err
}

// object returns the problem object of an error, and its status.
func object(err error, requestID string) (object []byte, status int, _ error) {
	var p problem
	_ = errors.As(err, &p)
	p = p.known()
	entry := statuses[p.kind]
	object, err = p.body(entry.status, entry.title, requestID)
	return object, entry.status, err
}
