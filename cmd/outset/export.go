package main

import (
	"context"
	"fmt"
	"io"

	"github.com/outset-settings/outset/client"
)

// export saves the settings of all users.
type export struct {
	remote
	File string `arg:"" optional:"" default:"-" help:"the file, which is replaced only by one with all users; the standard output by default"`
}

// Help has examples.
func (export) Help() string {
	return `Each line is a JSON object with a user, the user's settings, their version and their time; import takes it. The last line is {"end":true,"users":N}: what doesn't end with it is not all.

A new file can be read by its owner only (0600); one that is there keeps its mode. What is no regular file, a pipe for instance, is written to as the users come. The service gives each piece a minute to be taken: where what reads them pauses for longer, the export breaks off.

	outset export all.ndjson
	outset export | gzip > all.ndjson.gz
`
}

// Run exports, and fails unless it is all of them.
func (e export) Run(ctx context.Context, stdout io.Writer) error {
	return e.with(func(c *client.Client) error {
		bar := newProgress("exporting", -1)
		defer bar.end()
		if e.File == "-" {
			_, err := c.ExportTo(ctx, bar.writer(stdout))
			return err
		}
		var n int64
		err := saveTo(e.File, func(w io.Writer) (err error) {
			n, err = c.ExportTo(ctx, bar.writer(w))
			return err
		})
		if err != nil {
			return err
		}
		bar.end()
		if e.json(stdout) {
			return printJSON(stdout, struct {
				Users int64 `json:"users"`
			}{n})
		}
		_, err = fmt.Fprintln(stdout, count(n, "user"), "exported")
		return err
	})
}
