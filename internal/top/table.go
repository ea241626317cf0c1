package top

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/outset-settings/outset/internal/pool"
)

// column is a column of a table of Ts. Numbers are at the right.
type column[T any] struct {
	title string
	width int
	left  bool
	cell  func(T) string
}

// workerColumns are those of the table of workers, as they stand from left to right.
var workerColumns = []column[Worker]{
	{"WORKER", 8, true, func(w Worker) string { return w.ID }},
	{"HOST", 20, true, func(w Worker) string { return w.Host }},
	{"PID", 7, false, func(w Worker) string { return w.PID }},
	{"VERSION", 24, true, func(w Worker) string { return w.Version }},
	{"STATE", 8, true, func(w Worker) string { return short(w.State) }},
	{"UP", 4, false, func(w Worker) string { return age(w.Uptime) }},
	{"READ/S", 6, false, func(w Worker) string { return count(w.Read.Rate) }},
	{"R P50", 5, false, func(w Worker) string { return took(w.Read.P50) }},
	{"R P99", 5, false, func(w Worker) string { return took(w.Read.P99) }},
	{"WRITE/S", 7, false, func(w Worker) string { return count(w.Write.Rate) }},
	{"W P50", 5, false, func(w Worker) string { return took(w.Write.P50) }},
	{"W P99", 5, false, func(w Worker) string { return took(w.Write.P99) }},
	{"P50", 5, false, func(w Worker) string { return took(w.Both.P50) }},
	{"P99", 5, false, func(w Worker) string { return took(w.Both.P99) }},
	{"BATCH", 5, false, func(w Worker) string { return count(w.Both.Batch) }},
	{"LANES", 5, false, func(w Worker) string { return share(w.busier()) }},
	{"WAIT", 4, false, func(w Worker) string { return whole(w.Both.Waiting) }},
	{"OLDEST", 6, false, func(w Worker) string { return took(w.Both.Oldest) }},
	{"ERR/S", 5, false, func(w Worker) string { return count(w.Both.ErrorRate) }},
}

// wanted are the columns of workers in the order in which they are given room. A table of 80
// characters has those up to BATCH, and a narrower one the first of them.
var wanted = strings.Split("WORKER,STATE,READ/S,WRITE/S,P99,LANES,WAIT,P50,ERR/S,OLDEST,UP,BATCH,"+
	"HOST,PID,R P50,R P99,W P50,W P99,VERSION", ",")

// poolColumns are those of the table of totals.
var poolColumns = []column[kind]{
	{"POOL", 8, true, func(k kind) string { return k.name }},
	{"OPS/S", 6, false, func(k kind) string { return count(k.Rate) }},
	{"P50", 5, false, func(k kind) string { return took(k.P50) }},
	{"P99", 5, false, func(k kind) string { return took(k.P99) }},
	{"LANES", 5, false, func(k kind) string { return share(k.Utilisation) }},
	{"OLDEST", 6, false, func(k kind) string { return took(k.Oldest) }},
	{"REFUSED/S", 9, false, func(k kind) string { return count(k.RefusedRate) }},
	{"ERR/S", 5, false, func(k kind) string { return count(k.ErrorRate) }},
	{"WAIT", 4, false, func(k kind) string { return whole(k.Waiting) }},
	{"BATCH", 5, false, func(k kind) string { return count(k.Batch) }},
}

// kind are the figures of all reads, or of all writes.
type kind struct {
	name string
	Figures
}

// busier is the utilisation of the lanes of those operations that use theirs more.
func (w Worker) busier() Figure {
	if !w.Read.Utilisation.Known() || w.Write.Utilisation > w.Read.Utilisation {
		return w.Write.Utilisation
	}
	return w.Read.Utilisation
}

func short(s pool.State) string {
	if s == pool.NoDatabase {
		return "no db"
	}
	return string(s)
}

// fitting returns the columns that fit into a width, those first that are wanted most.
func fitting(width int) []column[Worker] {
	used, fit := -1, make(map[string]bool)
	for _, title := range wanted {
		i := slices.IndexFunc(workerColumns, func(c column[Worker]) bool { return c.title == title })
		if used += 1 + workerColumns[i].width; used > width {
			break
		}
		fit[title] = true
	}
	return slices.DeleteFunc(slices.Clone(workerColumns), func(c column[Worker]) bool {
		return !fit[c.title]
	})
}

// heading returns the titles of columns in one line.
func heading[T any](columns []column[T]) string {
	return line(columns, func(c column[T]) string { return c.title })
}

// row returns the cells of one row in one line.
func row[T any](columns []column[T], of T) string {
	return line(columns, func(c column[T]) string { return c.cell(of) })
}

func line[T any](columns []column[T], text func(column[T]) string) string {
	cells := make([]string, len(columns))
	for i, c := range columns {
		width := c.width
		if !c.left {
			width = -width
		}
		cells[i] = fmt.Sprintf("%*s", -width, clip(text(c), c.width))
	}
	return strings.TrimRight(strings.Join(cells, " "), " ")
}

// clip returns as much of a text as is that wide.
func clip(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	return string([]rune(text)[:max(width, 0)])
}

// poolTable is the table of totals.
func poolTable(t Totals) []string {
	return []string{
		heading(poolColumns),
		row(poolColumns, kind{"reads", t.Read}), row(poolColumns, kind{"writes", t.Write}),
	}
}

// summary tells how many workers there are in each state, and their versions.
func (s Sample) summary() string {
	versions := make(map[string]bool)
	for _, w := range s.Workers {
		if w.State != Gone {
			versions[w.Version] = true
		}
	}
	t := s.Pool
	text := fmt.Sprintf("workers: %d serving", t.Serving)
	for _, more := range []struct {
		n    int
		what string
	}{
		{t.NoDatabase, "without a database"}, {t.Draining, "draining"}, {t.Gone, "gone"},
	} {
		if more.n > 0 {
			text += fmt.Sprintf(", %d %s", more.n, more.what)
		}
	}
	for v := range versions {
		if len(versions) > 1 {
			return fmt.Sprintf("%s; %d versions", text, len(versions))
		}
		text += "; version " + v
	}
	return text
}

// Text returns the sample as tables with all columns.
func (s Sample) Text() string {
	lines := append([]string{s.summary(), ""}, poolTable(s.Pool)...)
	lines = append(lines, "", heading(workerColumns))
	for _, w := range s.Workers {
		lines = append(lines, row(workerColumns, w))
	}
	return strings.Join(lines, "\n") + "\n"
}

// order is a way to sort workers.
type order struct {
	name string
	less func(a, b Worker) int
}

// orders are those that the key s goes through, each named as its column.
var orders = []order{
	{"up", byAge},
	{"read/s", most(func(w Worker) Figure { return w.Read.Rate })},
	{"write/s", most(func(w Worker) Figure { return w.Write.Rate })},
	{"p50", most(func(w Worker) Figure { return w.Both.P50 })},
	{"p99", most(func(w Worker) Figure { return w.Both.P99 })},
	{"lanes", most(Worker.busier)},
	{"oldest", most(func(w Worker) Figure { return w.Both.Oldest })},
	{"err/s", most(func(w Worker) Figure { return w.Both.ErrorRate })},
}

// most orders workers by a figure, the largest first, and those without one last.
func most(of func(Worker) Figure) func(a, b Worker) int {
	return func(a, b Worker) int { return cmp.Or(cmp.Compare(of(b), of(a)), byAge(a, b)) }
}
