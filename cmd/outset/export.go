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
	File string `arg:"" optional:"" default:"-" help:"the file to write, which is only replaced once all users are there; standard output by default"`
}

// Help has examples.
func (export) Help() string {
	return `Each line is a JSON object with a user, the user's settings, and their version and time.
The last line is {"end":true,"users":N}; without it the export is incomplete. import reads such
files.

A new file can be read by its owner only (mode 0600); an existing one keeps its mode. A pipe or a
device is written while the users come. The service breaks the export off if nothing is read from it
for a minute.

	outset export all.ndjson
	outset export | gzip > all.ndjson.gz
`
}

// Run exports all users. It fails if some are missing.
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
