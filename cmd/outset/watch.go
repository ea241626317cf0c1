package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/outset-settings/outset/client"
)

// watch prints changes.
type watch struct {
	remote
	User      string        `arg:"" help:"the user's id"`
	Include   bool          `help:"print the settings, too"`
	After     int64         `placeholder:"N" help:"a version that is known: begin with a later one"`
	Heartbeat time.Duration `default:"15s" placeholder:"DURATION" help:"how often the service gives a sign of life (EVENTS_HEARTBEAT); a connection that has none for three times as long is made again"`
}

// Help has examples.
func (watch) Help() string {
	return `It begins with the version that there is, and ends with Ctrl-C.

	outset watch 42
	outset watch 42 --include --json
`
}

// Run prints a line for each version until ctx ends.
func (w watch) Run(ctx context.Context, stdout io.Writer) error {
	return w.with(func(c *client.Client) error {
		options := &client.WatchOptions{
			Include: w.Include, After: w.After, Heartbeat: w.Heartbeat,
			Lost: func(err error) {
				fmt.Fprintln(os.Stderr, "outset: trying again:", plain(err))
			},
		}
		for change, err := range c.Watch(ctx, w.User, options) {
			if err == nil {
				err = w.tell(stdout, change)
			}
			if errors.Is(err, context.Canceled) {
				return nil // Ctrl-C is how it ends
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (w watch) tell(stdout io.Writer, change client.Change) error {
	if w.json(stdout) {
		return printJSON(stdout, changeRow(change))
	}
	when, what := "never saved", fmt.Sprintf("version %d", change.Version)
	if !change.Time.IsZero() {
		when = clock(change.Time)
	}
	if change.Deleted {
		what += ", deleted"
	}
	if _, err := fmt.Fprintf(stdout, "%s  %s\n", when, what); err != nil || !w.Include {
		return err
	}
	return w.print(stdout, change.Settings)
}

// changeRow is a change as JSON. A document is one line there, whatever it was.
type changeRow struct {
	Version  int64           `json:"version"`
	Time     time.Time       `json:"time,omitzero"`
	Deleted  bool            `json:"deleted,omitempty"`
	Settings json.RawMessage `json:"settings,omitempty"`
}
