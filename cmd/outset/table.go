package main

import (
	"fmt"
	"io"
	"os"
	"text/tabwriter"
)

// rowsAtOnce are rows whose columns are as wide as the widest of them: a long table is not kept
// until its end.
const rowsAtOnce = 100

// table prints rows in columns.
type table struct {
	heading string
	rows    int
	w       *tabwriter.Writer
}

func newTable(w io.Writer, heading string) *table {
	return &table{heading: heading, w: tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
}

// row adds a row, whose columns are separated by tabs.
func (t *table) row(format string, columns ...any) error {
	if t.rows == 0 {
		fmt.Fprintln(t.w, t.heading)
	}
	t.rows++
	fmt.Fprint(t.w, visible(fmt.Sprintf(format+"\n", columns...)))
	if t.rows%rowsAtOnce == 0 {
		return t.w.Flush()
	}
	return nil
}

// end prints what is left. If there was no row it says so, beside the output.
func (t *table) end(none string) error {
	if t.rows == 0 {
		fmt.Fprintln(os.Stderr, none)
	}
	return t.w.Flush()
}
