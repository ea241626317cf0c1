package client

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
)

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
