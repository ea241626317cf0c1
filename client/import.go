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
)

// Outcome is what became of one line of an import.
type Outcome struct {
	Line    int64  // from 1, blank lines counted
	User    string // "" if the line could not be read
	Version int64  // of the user's document now
	Err     error  // why it was not taken, an [*Error]; nil: it was
}

// Import replaces the documents of many users by what the lines say, each a JSON object such as
// {"user":"42","settings":{"theme":"dark"}}, and returns an outcome for each, in their order. That
// one line fails keeps none of the others from being taken. The lines are read while the outcomes
// come; [Lines] makes them of settings.
//
// An error is the last that is yielded; without one each line has had its outcome. What was
// imported until then stays so, and beginning again from the start does no harm but to count the
// versions on. Leaving the loop ends the import, but doesn't recall the lines that were sent
// already. The service waits 10 s (READ_TIMEOUT) for the next line and a minute for its outcomes to
// be taken: lines that come slower, or a loop that pauses longer, may break the import.
//
// If lines is an io.Closer it is closed. A Read that is in progress when the import ends may
// outlast it; none begins after.
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

func (c *Client) importLines(
	ctx context.Context, lines io.Reader, take func(*importLine) bool,
) error {
	if closer, ok := lines.(io.Closer); ok {
		defer func() { _ = closer.Close() }()
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // the lines are read no further when nobody wants to know
	source := &source{Reader: lines}
	defer source.leave()
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
			return source.because(caused(ErrIncomplete, "", l.Error.error()))
		case !take(&l):
			return nil
		}
	}
}

// openImport sends the lines and returns the answer as soon as it begins. Only what fails before
// the first line has been read is repeated.
func (c *Client) openImport(ctx context.Context, lines *source) (*http.Response, error) {
	o := &Operation{
		method: http.MethodPost, path: "/users/import", answer: linesType,
		header: http.Header{"Content-Type": {linesType}},
	}
	var response *http.Response
	err := c.repeat(ctx, o, func(ctx context.Context) (err error) {
		response, err = c.begin(ctx, o, lines.enter()) //nolint:bodyclose // the caller does
		if err != nil {
			lines.leave()
		}
		if err != nil && temporary(err) && lines.begun.Load() {
			return finalError{giveUp(err, doubtful(err), 1)}
		}
		return err
	})
	var final finalError
	if errors.As(err, &final) {
		err = final.error
	}
	return response, err
}
