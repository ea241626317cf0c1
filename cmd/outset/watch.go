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

// watch prints the changes of a user's settings, or of all users'.
type watch struct {
	remote
	User      string        `arg:"" optional:"" help:"the user's id"`
	All       bool          `help:"watch all users: first those who have settings, then each change"`
	Include   bool          `help:"print the settings as well"`
	After     string        `placeholder:"ETAG" help:"leave out the version with this entity tag; with --all what came up to this cursor, or all up to now"`
	Heartbeat time.Duration `default:"15s" placeholder:"DURATION" help:"how often the service sends something (EVENTS_HEARTBEAT); after three times as long in silence the connection is made again"`
}

// Help has examples.
func (watch) Help() string {
	return `The current version is printed first, and then each new one. Ctrl-C ends it.

	outset watch 42
	outset watch 42 --include --json
	outset watch --all --json --after now
`
}

// Validate is called by kong.
func (w watch) Validate() error {
	switch {
	case w.All && w.User != "":
		return errors.New("name a user or --all, and not both")
	case !w.All && w.User == "":
		return errors.New("name a user, or --all")
	default:
		return nil
	}
}

// lost says that the connection is made again.
func (watch) lost(err error) { fmt.Fprintln(os.Stderr, "outset: trying again:", plain(err)) }

// Run prints a line for each version until ctx ends.
func (w watch) Run(ctx context.Context, stdout io.Writer) error {
	if w.All {
		return w.runAll(ctx, stdout)
	}
	return w.with(func(c *client.Client) error {
		options := &client.WatchOptions{
			Include: w.Include, After: quotedTag(w.After), Heartbeat: w.Heartbeat, Lost: w.lost,
		}
		for change, err := range c.Watch(ctx, w.User, options) {
			if err == nil {
				err = w.tell(stdout, change)
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

// changeRow is a change as JSON. json.Marshal puts the document on one line.
type changeRow struct {
	Version  int64           `json:"version"`
	ETag     string          `json:"etag"`
	Time     time.Time       `json:"time,omitzero"`
	Deleted  bool            `json:"deleted,omitempty"`
	Settings json.RawMessage `json:"settings,omitempty"`
}
