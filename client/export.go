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

// Export yields all users who have a document. It is one request, which takes as long as the loop
// does; the service breaks it off when the loop takes nothing for a minute. An error is the last
// that it yields; without one the loop has seen all users.
func (c *Client) Export(ctx context.Context) iter.Seq2[Settings, error] {
	return func(yield func(Settings, error) bool) {
		_, err := c.export(ctx, func(text []byte, l *exportLine) error {
			if !l.End && !yield(l.settings(), nil) {
				return errLoopLeft
			}
			return nil
		})
		if err != nil && !errors.Is(err, errLoopLeft) {
			yield(Settings{}, err)
		}
	}
}

// ExportTo writes all users who have a document, one JSON object in each line as [Client.Import]
// reads them, and returns how many there were. If there is no error they are all, and the last line
// is {"end":true,"users":N}. The service breaks the export off when w takes nothing for a minute.
func (c *Client) ExportTo(ctx context.Context, w io.Writer) (users int64, err error) {
	return c.export(ctx, func(text []byte, _ *exportLine) error {
		_, err := w.Write(text)
		return err
	})
}

// exportLine is a line of an export: a user, the end, or the error that ends it early.
type exportLine struct {
	userLine
	End   bool     `json:"end"`
	Users int64    `json:"users"`
	Error *problem `json:"error"`
}

// export gives each line to take, with its line break, until the line that marks the end.
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
			return users, incomplete(err)
		}
		var l exportLine
		if err := json.Unmarshal(text, &l); err != nil {
			return users, fmt.Errorf("%w: a line that can't be understood: %w", ErrIncomplete, err)
		}
		if l.Error != nil {
			return users, incomplete(l.Error.error())
		}
		if err := take(text, &l); err != nil {
			return users, err
		}
		if l.End {
			return users, checkCount(l.Users, users)
		}
		users++
	}
}
