package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"sync/atomic"
)

// Outcome is what became of one line of an import.
type Outcome struct {
	Line    int64  // from 1, blank lines counted
	User    string // "" if the line could not be read
	Version int64  // of the user's document now
	Err     error  // why it was not taken, an [*Error]; nil: it was
}

// Import replaces the documents of many users by what the lines say, each a JSON object such as
// {"user":"42","settings":{"theme":"dark"}}, and returns an outcome for each, in their order. That one line fails keeps none
// of the others from being taken. The lines are read while the outcomes come; [Lines] makes them of settings.
//
// An error is the last that is yielded; without one each line has had its outcome. What was imported until then stays
// so, and beginning again from the start does no harm but to count the versions on. Leaving the loop ends the import.
// If lines is an io.Closer it is closed.
func (c *Client) Import(ctx context.Context, lines io.Reader) iter.Seq2[Outcome, error] {
	return func(yield func(Outcome, error) bool) {
		more := true
		err := c.importLines(ctx, lines, func(l *importLine) bool {
			more = yield(l.outcome(), nil)
			return more
		})
		if err != nil && more {
			yield(Outcome{}, err)
		}
	}
}

// importLine is a line of the answer: an outcome, the end, or why there won't be one.
type importLine struct {
	Line    int64    `json:"line"`
	User    string   `json:"user"`
	Status  int      `json:"status"`
	Version int64    `json:"version"`
	Error   *problem `json:"error"`

	End   bool  `json:"end"`
	Lines int64 `json:"lines"`
}

func (l *importLine) outcome() Outcome {
	o := Outcome{Line: l.Line, User: l.User, Version: l.Version}
	if l.Error != nil {
		o.Err = l.Error.error()
	}
	return o
}

func (c *Client) importLines(ctx context.Context, lines io.Reader, take func(*importLine) bool) error {
	if closer, ok := lines.(io.Closer); ok {
		defer func() { _ = closer.Close() }()
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // the lines are read no further when nobody wants to know
	source := &source{Reader: lines}
	response, err := c.openImport(ctx, source)
	if err != nil {
		return source.because(err)
	}
	defer func() { _ = response.Body.Close() }()
	answers := bufio.NewReaderSize(response.Body, 64<<10)
	for n := int64(0); ; n++ {
		text, err := answers.ReadBytes('\n')
		if err != nil {
			return source.because(brokenOff(err))
		}
		var l importLine
		if err := json.Unmarshal(text, &l); err != nil {
			return fmt.Errorf("%w: a line that can't be understood: %w", ErrIncomplete, err)
		}
		switch {
		case l.End:
			return counted(l.Lines, n)
		case l.Line == 0 && l.Error != nil:
			return source.because(fmt.Errorf("%w: %w", ErrIncomplete, l.Error.error()))
		case !take(&l):
			return nil
		}
	}
}

// openImport sends the lines and returns the answer as soon as it begins. Only what fails before the first line has
// been read is repeated.
func (c *Client) openImport(ctx context.Context, lines *source) (*http.Response, error) {
	o := &Operation{method: http.MethodPost, path: "/users/import", header: http.Header{"Content-Type": {"application/x-ndjson"}}}
	var response *http.Response
	err := c.repeat(ctx, o, func(ctx context.Context) error {
		// Not to be closed by net/http: another attempt may want it.
		r, err := c.request(ctx, o, io.NopCloser(lines))
		if err != nil {
			return err
		}
		response, err = c.send(r) //nolint:bodyclose // the caller does
		if err != nil && temporary(err) && lines.begun.Load() {
			return finalError{giveUp(err, !definite(err), 1)}
		}
		return err
	})
	var final finalError
	if errors.As(err, &final) {
		err = final.error
	}
	return response, err
}

// finalError hides that what is inside is temporary.
type finalError struct{ error }

// source is what an import reads its lines from.
type source struct {
	io.Reader
	begun  atomic.Bool
	failed atomic.Value // the error of the reader, when it has failed
}

func (s *source) Read(p []byte) (int, error) {
	s.begun.Store(true)
	n, err := s.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.failed.Store(finalError{err})
	}
	return n, err
}

// because is the error of an import: that of the reader, where it is the cause.
func (s *source) because(err error) error {
	if failed, ok := s.failed.Load().(finalError); ok {
		return fmt.Errorf("%w: reading the lines: %w", ErrIncomplete, failed.error)
	}
	return err
}
