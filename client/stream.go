package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Why we end a stream ourselves.
var (
	errLate    = errors.New("no answer in time")
	errSilence = errors.New("no sign of life for three heartbeats")
)

// begin sends an operation whose answer is a stream, which has to begin within the time for an
// attempt. The caller closes it.
func (c *Client) begin(ctx context.Context, o *Operation, body io.Reader) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	late := time.AfterFunc(c.timeout, func() { cancel(errLate) })
	r, err := c.request(ctx, o, body)
	var response *http.Response
	if err == nil {
		response, err = c.send(r, o)
	}
	if !late.Stop() && err == nil { // at the last moment
		_ = response.Body.Close()
		err = lostError{errLate, true}
	}
	if err != nil {
		err = because(ctx, err)
		cancel(nil)
		return nil, err
	}
	response.Body = &stream{response.Body, cancel}
	return response, nil
}

// stream is the body of an answer whose context ends when it is closed.
type stream struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
}

func (s *stream) Close() error {
	s.cancel(nil)
	return s.ReadCloser.Close()
}

// because is the error of a connection that we may have ended ourselves.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); errors.Is(cause, errSilence) || errors.Is(cause, errLate) {
		return lostError{cause, true}
	}
	return err
}

// finalError hides that what is inside is temporary.
type finalError struct{ error }

// source is what an import reads its lines from.
type source struct {
	io.Reader
	begun  atomic.Bool
	failed atomic.Value // the error of the reader, when it has failed
	gate   *gate        // of the attempt that is under way
}

// enter returns the source for one attempt, and leave ends that: net/http may read on after the
// attempt has ended.
func (s *source) enter() *gate {
	s.gate = &gate{source: s}
	return s.gate
}

func (s *source) leave() {
	if s.gate != nil {
		_ = s.gate.Close()
	}
}

// because is the error of an import: that of the reader, where it is the cause.
func (s *source) because(err error) error {
	if failed, ok := s.failed.Load().(finalError); ok {
		return caused(ErrIncomplete, ": reading the lines", failed.error)
	}
	return err
}

// gate gives the lines to one attempt, until it is closed.
type gate struct {
	source *source
	mu     sync.Mutex // not held while the source is read, which may take for ever
	closed bool
}

var errClosed = errors.New("outset: closed")

func (g *gate) Read(p []byte) (int, error) {
	if !g.open() {
		return 0, errClosed
	}
	n, err := g.source.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		g.source.failed.Store(finalError{err})
	}
	return n, err
}

// open tells whether the source may be read; if so, it counts as begun.
func (g *gate) open() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.source.begun.Store(true)
	}
	return !g.closed
}

// Close doesn't close the source: another attempt may want it.
func (g *gate) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	return nil
}
