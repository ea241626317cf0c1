package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
)

// rowsAtOnce is how many rows are aligned with each other and then printed, so that a long table
// doesn't wait in memory.
const rowsAtOnce = 100

// table prints rows in columns.
type table struct {
	heading string
	rows    int
	headed  bool // the heading was printed
	aligned bytes.Buffer
	columns *tabwriter.Writer
	w       io.Writer
}

func newTable(w io.Writer, heading string) *table {
	t := &table{heading: heading, w: w}
	t.columns = tabwriter.NewWriter(&t.aligned, 0, 0, 2, ' ', 0)
	return t
}

// row adds a row, whose columns are separated by tabs.
func (t *table) row(format string, columns ...any) error {
	if t.rows == 0 {
		fmt.Fprintln(t.columns, t.heading)
	}
	t.rows++
	fmt.Fprint(t.columns, visible(fmt.Sprintf(format+"\n", columns...)))
	if t.rows%rowsAtOnce == 0 {
		return t.flush()
	}
	return nil
}

// flush prints the rows so far. The heading is bold where there are colours; only here, because
// tabwriter would count that as columns.
func (t *table) flush() error {
	if err := t.columns.Flush(); err != nil {
		return err
	}
	text := t.aligned.Bytes()
	if heading, rest, ok := bytes.Cut(text, []byte("\n")); ok && !t.headed {
		text, t.headed = []byte(bold(t.w, string(heading))+"\n"+string(rest)), true
	}
	_, err := t.w.Write(text)
	t.aligned.Reset()
	return err
}

// end prints the rows that are left. If there were none it prints a note on standard error.
func (t *table) end(none string) error {
	if t.rows == 0 {
		fmt.Fprintln(os.Stderr, none)
		return nil
	}
	return t.flush()
}
