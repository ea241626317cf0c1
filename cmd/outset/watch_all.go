package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/outset-settings/outset/client"
)

// runAll prints a line for each change of any user until ctx ends.
func (w watch) runAll(ctx context.Context, stdout io.Writer) error {
	return w.with(func(c *client.Client) error {
		options := &client.WatchAllOptions{
			Include: w.Include, After: w.After, Heartbeat: w.Heartbeat, Lost: w.lost,
		}
		for change, err := range c.WatchAll(ctx, options) {
			if err == nil {
				err = w.tellAll(stdout, change)
			}
			if errors.Is(err, context.Canceled) {
				return nil // Ctrl-C is the way to end it
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// tellAll prints a change: to programs all of them, to people those of users.
func (w watch) tellAll(stdout io.Writer, change client.UserChange) error {
	switch {
	case w.json(stdout):
		return printJSON(stdout, userChangeRow(change))
	case change.Kind != client.Changed:
		return nil
	}
	what := fmt.Sprintf("user %q, version %d", change.User, change.Version)
	if change.Deleted {
		what += ", deleted"
	}
	_, err := fmt.Fprintf(stdout, "%s  %s\n", clock(change.Time), what)
	if err != nil || change.Settings == nil {
		return err
	}
	return w.print(stdout, change.Settings)
}

// userChangeRow is a change as JSON.
type userChangeRow struct {
	Kind     client.ChangeKind `json:"kind"`
	Cursor   string            `json:"cursor,omitempty"`
	User     string            `json:"user,omitempty"`
	Version  int64             `json:"version,omitempty"`
	ETag     string            `json:"etag,omitempty"`
	Time     time.Time         `json:"time,omitzero"`
	Deleted  bool              `json:"deleted,omitempty"`
	Erased   int64             `json:"erasedVersion,omitempty"`
	Settings json.RawMessage   `json:"settings,omitempty"`
}
