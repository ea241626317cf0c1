package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/outset-settings/outset/client"
)

// export saves the settings of all users.
type export struct {
	remote
	File string `arg:"" optional:"" default:"-" help:"the file, which is there only once it has all users; the standard output by default"`
}

// Help has examples.
func (export) Help() string {
	return `Each line is a JSON object with a user, the user's settings, their version and their time; import takes it. The last line is {"end":true,"users":N}: what doesn't end with it is not all.

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
		err := replaceFile(e.File, func(w io.Writer) (err error) {
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

// replaceFile puts a file at a path when write has written all of it, and leaves what is there as it is otherwise.
func replaceFile(path string, write func(io.Writer) error) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	var why *fs.PathError
	if errors.As(err, &why) {
		return fmt.Errorf("writing %s: %w", path, why.Err) // not its name of the moment
	}
	if err != nil {
		return err
	}
	err = write(file)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}
