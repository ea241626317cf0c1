package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"

	"github.com/outset-settings/outset/client"
)

// importCommand sets the settings of many users.
type importCommand struct {
	remote
	File string `arg:"" optional:"" default:"-" help:"the file to read; standard input by default"`
	Mode string `enum:"replace,merge,create" default:"replace" help:"what a line's settings do: they replace the user's, are merged into them (RFC 7396), or are only taken for users who have none (replace, merge or create)"`
}

// Help describes the file and has examples.
func (importCommand) Help() string {
	return `Each line is a JSON object with a user and the user's settings, as export writes them.
It replaces the user's settings, unless --mode says otherwise. A line that fails doesn't keep the others from being imported; all
that fail are listed, and the exit code is that of the first. Ctrl-C ends the import, but lines that
were already sent may still be imported.

The service breaks the import off if no line comes for 10 s (READ_TIMEOUT).

	{"user":"42","settings":{"theme":"dark"}}

	outset import all.ndjson
	outset import defaults.ndjson --mode create
	outset export --server http://old:8080 | outset import
`
}

// Run imports the lines and lists those that fail.
func (i importCommand) Run(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	lines, size := stdin, int64(-1)
	if i.File != "-" {
		file, err := os.Open(i.File)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
			size = info.Size()
		}
		lines = file
	}
	return i.with(func(c *client.Client) error {
		bar := newProgress("importing", size)
		defer bar.end()
		return i.report(stdout, bar, c.Import(ctx, bar.reader(lines), i.options()...))
	})
}

// options are what the client is told of the mode.
func (i importCommand) options() []client.ImportOption {
	switch i.Mode {
	case "merge":
		return []client.ImportOption{client.Merging()}
	case "create":
		return []client.ImportOption{client.Creating()}
	default:
		return nil
	}
}

// report prints the outcomes: to people those of lines that failed, to programs all.
func (i importCommand) report(
	stdout io.Writer, bar progress, outcomes iter.Seq2[client.Outcome, error],
) error {
	var done outcome
	for o, err := range outcomes {
		if err == nil {
			done.add(o)
			err = i.tell(stdout, bar, o)
		}
		if err != nil {
			return fmt.Errorf("%w (before that, %s)", err, done.text())
		}
	}
	bar.end()
	if done.first != nil {
		return failedLinesError{done}
	}
	if i.json(stdout) {
		return nil
	}
	_, err := fmt.Fprintln(stdout, done.text())
	return err
}

// outcomeRow is an outcome as JSON.
type outcomeRow struct {
	Line    int64  `json:"line"`
	User    string `json:"user,omitempty"`
	Version int64  `json:"version,omitempty"`
	Kind    string `json:"kind,omitempty"`
	Error   string `json:"error,omitempty"`
}

func (i importCommand) tell(stdout io.Writer, bar progress, o client.Outcome) error {
	var e *client.Error
	_ = errors.As(o.Err, &e)
	switch {
	case i.json(stdout) && e == nil:
		return printJSON(stdout, outcomeRow{Line: o.Line, User: o.User, Version: o.Version})
	case i.json(stdout):
		return printJSON(stdout, outcomeRow{
			Line: o.Line, User: o.User, Kind: e.Kind, Error: explain(e).Error(),
		})
	case o.Err != nil:
		bar.clear()
		fmt.Fprintf(os.Stderr, "line %d, user %q: %v\n", o.Line, o.User, explain(o.Err))
	}
	return nil
}

// outcome counts the lines of an import.
type outcome struct {
	imported, failed int64
	first            error // of the first line that failed
}

func (d *outcome) add(o client.Outcome) {
	if o.Err == nil {
		d.imported++
		return
	}
	if d.failed++; d.first == nil {
		d.first = o.Err
	}
}

func (d *outcome) text() string {
	return fmt.Sprintf("%s imported, %d failed", count(d.imported, "line"), d.failed)
}

// failedLinesError is the error of an import with lines that failed. It has the kind of the first
// of them.
type failedLinesError struct{ outcome }

func (n failedLinesError) Error() string        { return n.text() }
func (n failedLinesError) Is(target error) bool { return errors.Is(n.first, target) }
