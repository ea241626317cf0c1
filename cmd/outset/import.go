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
It replaces the user's settings, unless --mode says otherwise. A line that fails doesn't keep the
others from being imported; all that fail are listed, and the exit code is that of the first. Ctrl-C
ends the import, but lines that were already sent may still be imported.

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
		r := report{importCommand: i, stdout: stdout, bar: newProgress("importing", size)}
		defer r.bar.end()
		r.lines.Reader = unmarked(lines)
		return r.tellAll(c.Import(ctx, &r.lines, i.options()...))
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
type report struct {
	importCommand
	stdout io.Writer
	bar    *progress
	lines  lineEnds
	done   outcome
}

func (r *report) tellAll(outcomes iter.Seq2[client.Outcome, error]) error {
	for o, err := range outcomes {
		if err == nil {
			r.done.add(o)
			r.bar.reach(r.lines.through(o.Line), r.what)
			err = r.tell(o)
		}
		if err != nil {
			return fmt.Errorf("%w (before that, %s)", err, r.done.text())
		}
	}
	r.bar.end()
	if r.done.first != nil {
		return failedLinesError{r.done}
	}
	if r.json(r.stdout) {
		return nil
	}
	_, err := fmt.Fprintln(r.stdout, r.done.text())
	return err
}

// what is what the bar says.
func (r *report) what() string { return "importing, " + r.done.text() }

// outcomeRow is an outcome as JSON.
type outcomeRow struct {
	Line    int64  `json:"line"`
	User    string `json:"user,omitempty"`
	Version int64  `json:"version,omitempty"`
	Kind    string `json:"kind,omitempty"`
	Error   string `json:"error,omitempty"`
}

func (r *report) tell(o client.Outcome) error {
	var e *client.Error
	_ = errors.As(o.Err, &e)
	switch {
	case r.json(r.stdout) && e == nil:
		return printJSON(r.stdout, outcomeRow{Line: o.Line, User: o.User, Version: o.Version})
	case r.json(r.stdout):
		return printJSON(r.stdout, outcomeRow{
			Line: o.Line, User: o.User, Kind: e.Kind, Error: explain(e).Error(),
		})
	case o.Err != nil:
		r.bar.clear()
		fmt.Fprintf(os.Stderr, "%s, line %d, user %q: %v\n", r.name(), o.Line, o.User,
			explain(o.Err))
	}
	return nil
}

// name is what errors call the file.
func (i importCommand) name() string {
	if i.File == "-" {
		return stdinName
	}
	return visible(i.File)
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
