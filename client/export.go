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

// Export returns all users who have a document. It is one request, which takes as long as the loop
// does. The service gives each piece a minute to be taken: a loop that pauses longer may break it.
// An error is the last that it yields; without one the loop has seen all of them.
func (c *Client) Export(ctx context.Context) iter.Seq2[Settings, error] {
	return func(yield func(Settings, error) bool) {
		more := true
		_, err := c.export(ctx, func(text []byte, l *exportLine) error {
			if !l.End {
				if more = yield(l.settings(), nil); !more {
					return errEnough
				}
			}
			return nil
		})
		if err != nil && more {
			yield(Settings{}, err)
		}
	}
}

// ExportTo writes all users who have a document, one JSON object in each line as [Client.Import]
// takes them, and returns how many there were. Only without an error they are all; the last line
// then is {"end":true,"users":N}. A w that holds up a piece for more than a minute may break it.
func (c *Client) ExportTo(ctx context.Context, w io.Writer) (users int64, err error) {
	return c.export(ctx, func(text []byte, _ *exportLine) error {
		_, err := w.Write(text)
		return err
	})
}

// errEnough ends a stream that nobody wants any more.
var errEnough = errors.New("enough")

// exportLine is a line of an export: a user, the end, or why there won't be one.
type exportLine struct {
	line
	End   bool     `json:"end"`
	Users int64    `json:"users"`
	Error *problem `json:"error"`
}

// export gives each line to take, with its line break, up to the one that says that it is the last.
func (c *Client) export(
	ctx context.Context, take func(text []byte, l *exportLine) error,
) (users int64, err error) {
	response, err := c.open(ctx, &Operation{
		method: http.MethodGet, path: "/users/export", answer: linesType,
	})
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	lines := bufio.NewReaderSize(response.Body, 64<<10)
	for {
		text, err := lines.ReadBytes('\n')
		if err != nil {
			return users, brokenOff(err)
		}
		var l exportLine
		if err := json.Unmarshal(text, &l); err != nil {
			return users, fmt.Errorf("%w: a line that can't be understood: %w", ErrIncomplete, err)
		}
		if l.Error != nil {
			return users, caused(ErrIncomplete, "", l.Error.error())
		}
		if err := take(text, &l); err != nil {
			return users, err
		}
		if l.End {
			return users, counted(l.Users, users)
		}
		users++
	}
}

// open sends an operation without a body whose answer is a stream. What fails before it begins is
// repeated.
func (c *Client) open(ctx context.Context, o *Operation) (*http.Response, error) {
	var response *http.Response
	err := c.repeat(ctx, o, func(ctx context.Context) (err error) {
		response, err = c.begin(ctx, o, http.NoBody) //nolint:bodyclose // the caller does
		return err
	})
	return response, err
}

// brokenOff is the error of a stream that ends before its end.
func brokenOff(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return caused(ErrIncomplete, "", err)
}

// counted compares what a stream says at its end with what came.
func counted(said, came int64) error {
	if said != came {
		return fmt.Errorf("%w: there should be %d lines, not %d", ErrIncomplete, said, came)
	}
	return nil
}
