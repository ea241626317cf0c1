package main

import (
	"context"
	"fmt"
	"io"
	"iter"
	"strconv"

	"github.com/outset-settings/outset/client"
)

// history lists versions.
type history struct {
	remote
	User  string `arg:"" help:"the user's id"`
	Limit int    `default:"20" placeholder:"N" help:"list only the newest N versions; 0 lists all that are kept"`
}

// Help has examples.
func (history) Help() string {
	return `The newest version comes first. "restore" makes a version current again, "get --at"
prints it.

	outset history 42
	outset history 42 --limit 0 --json
`
}

// Run prints the versions, the newest first, as a table or as one line of JSON each.
func (h history) Run(ctx context.Context, stdout io.Writer) error {
	return h.with(func(c *client.Client) error {
		t := newTable(stdout, "VERSION\tTIME\tCHANGE\tBYTES\tBY")
		for r, err := range first(h.Limit, c.History(ctx, h.User)) {
			if err == nil && h.json(stdout) {
				err = printJSON(stdout, r)
			} else if err == nil {
				size := strconv.FormatInt(r.Size, 10)
				if r.Dropped {
					size += " (dropped)"
				}
				change := r.Action
				if r.Restored > 0 {
					change += fmt.Sprintf(" of %d", r.Restored)
				}
				err = t.row("%d\t%s\t%s\t%s\t%s", r.Version, clock(r.Time), change, size,
					by(r.By))
			}
			if err != nil {
				return err
			}
		}
		if h.json(stdout) {
			return nil
		}
		return t.end("no versions: there are no settings of " + visible(h.User) +
			", who never had any or was erased")
	})
}

// first yields the first elements of a sequence; limit 0 stands for all.
func first[T any](limit int, all iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		n := 0
		for one, err := range all {
			if n++; !yield(one, err) || n == limit {
				return
			}
		}
	}
}

// restore makes an old version current again.
type restore struct {
	remote
	conditions
	User    string `arg:"" help:"the user's id"`
	Version int64  `arg:"" help:"the version to restore; history lists them"`
}

// Help has an example.
func (restore) Help() string {
	return `The old settings become a new version. The history keeps all others.

	outset restore 42 7
`
}

// Run restores and prints the new version.
func (r restore) Run(ctx context.Context, stdout io.Writer) error {
	return r.write(stdout, r.User, func(c *client.Client) (int64, error) {
		s, err := c.Restore(ctx, r.User, r.Version, r.options()...)
		return s.Version, err
	})
}
