package main

import (
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

// end prints the rows that are left. If there were none it prints a note on standard error.
func (t *table) end(none string) error {
	if t.rows == 0 {
		fmt.Fprintln(os.Stderr, none)
	}
	return t.w.Flush()
}
