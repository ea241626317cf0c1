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
	"sync"
	"sync/atomic"
)

// Outcome is what became of one line of an import.
type Outcome struct {
	// Line counts from 1, blank lines included.
	Line int64
	// User is "" if the line could not be read.
	User string
	// Version is that of the user's document now.
	Version int64
	// Err is nil if the line was imported, else an [*Error].
	Err error
}

// ImportOption changes what [Client.Import] does with the settings of each line.
type ImportOption func(*Operation)

// Merging has the settings of each line change the user's document as a merge patch does (RFC
// 7396), instead of replacing it.
func Merging() ImportOption { return importMode("merge") }

// Creating has lines fail with [ErrPrecondition] whose users have a document already.
func Creating() ImportOption { return importMode("create") }

func importMode(mode string) ImportOption {
	return func(o *Operation) { o.path = "/users/import?mode=" + mode }
}

// Import writes the documents of many users: it replaces them, unless the options say otherwise.
// Each line is a JSON object such as {"user":"42","settings":{"theme":"dark"}}; [Lines] makes them
// of settings. Import yields an outcome for each, in their order. A line that fails doesn't keep
// the others from being imported. The lines are read while the outcomes come.
//
// An error is the last that it yields; without one each line has had its outcome. What was imported
// before an error stays, and importing it again only counts the versions on. Leaving the loop ends
// the import, but lines that were already sent may still be imported. The service breaks the import
// off when no line comes for 10 s (READ_TIMEOUT), or when the loop takes no outcome for a minute.
//
// If lines is an io.Closer it is closed. A Read that is in progress when the import ends may
// outlast it; none begins after.
func (c *Client) Import(
	ctx context.Context, lines io.Reader, options ...ImportOption,
) iter.Seq2[Outcome, error] {
	return func(yield func(Outcome, error) bool) {
		err := c.importLines(ctx, lines, options, func(l *importLine) error {
			if !yield(l.outcome(), nil) {
				return errLoopLeft
			}
			return nil
		})
		if err != nil && !errors.Is(err, errLoopLeft) {
			yield(Outcome{}, err)
		}
	}
}

// importLine is a line of the answer: an outcome, the end, or the error that ends it early.
type importLine struct {
	Line    int64    `json:"line"`
	User    string   `json:"user"`
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

// importLines gives each outcome to take, until the line that marks the end.
func (c *Client) importLines(
	ctx context.Context, lines io.Reader, options []ImportOption, take func(*importLine) error,
) error {
	if closer, ok := lines.(io.Closer); ok {
		defer func() { _ = closer.Close() }()
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	source := &importSource{Reader: lines}
	defer source.endAttempt()
	response, err := c.openImport(ctx, source, options)
	if err != nil {
		return source.errorOr(err)
	}
	defer func() { _ = response.Body.Close() }()
	outcomes := bufio.NewReaderSize(response.Body, 64<<10)
	for n := int64(0); ; n++ {
		text, err := outcomes.ReadBytes('\n')
		if err != nil {
			return source.errorOr(incomplete(err))
		}
		var l importLine
		if err := json.Unmarshal(text, &l); err != nil {
			return fmt.Errorf("%w: a line that can't be understood: %w", ErrIncomplete, err)
		}
		switch {
		case l.End:
			return checkCount(l.Lines, n)
		case l.Line == 0 && l.Error != nil:
			return source.errorOr(incomplete(l.Error.error()))
		}
		if err := take(&l); err != nil {
			return err
		}
	}
}

// openImport sends the lines and returns the answer as soon as it begins. It repeats what fails
// before the first line was read; after that, the lines can't be sent again.
func (c *Client) openImport(
	ctx context.Context, source *importSource, options []ImportOption,
) (*http.Response, error) {
	o := &Operation{
		method: http.MethodPost, path: "/users/import", answer: linesType,
		header: http.Header{"Content-Type": {linesType}},
	}
	for _, option := range options {
		option(o)
	}
	var response *http.Response
	err := c.repeat(ctx, o, func(ctx context.Context) (err error) {
		response, err = c.begin(ctx, o, source.body) //nolint:bodyclose // the caller does
		if err == nil {
			return nil
		}
		source.endAttempt()
		if f := classify(err); f.temporary && source.begun.Load() {
			return opaqueError{giveUp(err, f.mayBeApplied, 1)}
		}
		return err
	})
	var opaque opaqueError
	if errors.As(err, &opaque) {
		err = opaque.error
	}
	return response, err
}

// opaqueError hides the error in it from errors.As, so that it is not taken for a temporary one.
type opaqueError struct{ error }

// importSource gives the lines of an import to one attempt at a time.
type importSource struct {
	io.Reader
	begun   atomic.Bool  // a line may have been read
	failed  atomic.Value // the error of the Reader, as an opaqueError
	attempt *attemptReader
}

// body returns the lines for an attempt, or nil if an earlier one may have read some.
func (s *importSource) body() io.Reader {
	s.endAttempt()
	if s.begun.Load() {
		return nil
	}
	s.attempt = &attemptReader{source: s}
	return s.attempt
}

// endAttempt keeps net/http, which may read on after the attempt has ended, from taking lines of
// the next one.
func (s *importSource) endAttempt() {
	if s.attempt != nil {
		_ = s.attempt.Close()
	}
}

// errorOr returns the error of an import that failed with err: that of the Reader, if it caused it.
func (s *importSource) errorOr(err error) error {
	if failed, ok := s.failed.Load().(opaqueError); ok {
		return caused(ErrIncomplete, ": reading the lines", failed.error)
	}
	return err
}

// attemptReader is the body of one attempt. It reads the lines until it is closed.
type attemptReader struct {
	source *importSource
	mu     sync.Mutex // not held while the lines are read, which may take for ever
	closed bool
}

var errClosed = errors.New("outset: closed")

func (a *attemptReader) Read(p []byte) (int, error) {
	if !a.begin() {
		return 0, errClosed
	}
	n, err := a.source.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		a.source.failed.Store(opaqueError{err})
	}
	return n, err
}

// begin tells whether the lines may be read.
func (a *attemptReader) begin() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.closed {
		a.source.begun.Store(true)
	}
	return !a.closed
}

// Close leaves the lines open for another attempt.
func (a *attemptReader) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	return nil
}
