package report

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// markdown is the report for people.
func (r *Report) markdown(name string, plots []Plot) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Measurements: %s\n\n", name)
	fmt.Fprintf(&b, "Commit %s, %s, took %s. `%s`\n\n", r.Commit, r.Began.UTC().Format("2006-01-02 15:04 UTC"), r.Took.Round(time.Second), r.Command)
	fmt.Fprintf(&b, "%s\n\n", r.Machine)
	list(&b, "Versions", r.Versions)
	list(&b, "Settings", r.Settings)
	fmt.Fprintf(&b, "Each figure is the median (min–max) of %d rounds of %v, in which the sides took turns. "+
		"Ratios are between sides of the same round. Everything, the load generator too, ran on this one machine. "+
		"A run with a wrong or missing answer is not counted.\n\n", r.Rounds, r.Duration)
	for _, note := range r.Notes {
		fmt.Fprintf(&b, "- %s\n", note)
	}
	for _, table := range []func() (string, [][]string){
		r.goals, r.closed, r.cpu, r.memory, r.open, r.workers, r.users, r.batches,
	} {
		title, rows := table()
		if len(rows) > 1 {
			fmt.Fprintf(&b, "\n## %s\n\n", title)
			write(&b, rows)
		}
	}
	r.invalid(&b)
	if len(plots) > 0 {
		b.WriteString("\n## Plots\n\n")
	}
	for _, p := range plots {
		fmt.Fprintf(&b, "![%s](%s)\n\n", p.Title, p.File)
	}
	return b.String()
}

func list(b *strings.Builder, title string, versions []Version) {
	var parts []string
	for _, v := range versions {
		parts = append(parts, v.Of+" "+v.Is)
	}
	if len(parts) > 0 {
		fmt.Fprintf(b, "%s: %s.\n\n", title, strings.Join(parts, ", "))
	}
}

// write writes a table whose first row is its head.
func write(b *strings.Builder, rows [][]string) {
	for i, row := range rows {
		fmt.Fprintf(b, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			b.WriteString("|" + strings.Repeat("---|", len(row)) + "\n")
		}
	}
}

func (r *Report) closed() (string, [][]string) {
	rows := [][]string{{"", "connections", "side", "requests/s", "× direct", "p50 ms", "p99 ms"}}
	runs := where(r.Runs, kind(Closed))
	for _, o := range distinct(runs, operationOf) {
		ofOperation := where(runs, operation(o))
		for _, n := range ascending(ofOperation, connectionsOf) {
			same := where(ofOperation, connections(n))
			if len(distinct(same, sideOf)) < 2 {
				continue // only for the sizes of batches
			}
			rows = append(rows, compared(same, o, fmt.Sprint(n))...)
		}
	}
	return "Closed loops", rows
}

// compared has a row for each side of runs that are otherwise the same.
func compared(runs []Run, first ...string) (rows [][]string) {
	direct := where(runs, side(Direct))
	for _, s := range slices.Sorted(slices.Values(distinct(runs, sideOf))) {
		these := where(runs, side(s))
		rows = append(rows, append(slices.Clone(first), s, spread(these, throughput).text("%.0f"),
			ratio(these, direct, throughput).text("%.2f"), spread(these, p50).text("%.2f"),
			spread(these, p99).text("%.2f")))
	}
	return rows
}

func (r *Report) open() (string, [][]string) {
	rows := [][]string{{
		"", "side", "rate/s", "p50 ms", "p99 ms", "p99 × direct", "p99.9 ms",
		"generator late p99 ms",
	}}
	runs := where(r.Runs, kind(Open))
	for _, o := range distinct(runs, operationOf) {
		direct := where(runs, operation(o), side(Direct))
		for _, s := range distinct(runs, sideOf) {
			these := where(runs, operation(o), side(s))
			rows = append(rows, []string{
				o, s, spread(these, func(r *Run) float64 { return r.Rate }).text("%.0f"),
				spread(these, p50).text("%.2f"), spread(these, p99).text("%.2f"),
				ratio(these, direct, p99).text("%.2f"),
				spread(these, p999).text("%.2f"),
				spread(these, func(r *Run) float64 { return r.Late }).text("%.2f"),
			})
		}
	}
	return "Open loop, at 70 % of what direct can do (latency from when a request was due)", rows
}

func (r *Report) workers() (string, [][]string) {
	rows := [][]string{{"", "workers", "connections", "requests/s", "× linear", "p50 ms"}}
	runs := where(r.Runs, kind(Workers))
	for _, o := range distinct(runs, operationOf) {
		these := where(runs, operation(o))
		fewest := slices.Min(append(ascending(these, workersOf), 1<<30))
		for _, n := range ascending(these, workersOf) {
			same := where(these, workers(n))
			rows = append(rows, []string{
				o, fmt.Sprint(n), fmt.Sprint(same[0].Connections),
				spread(same, throughput).text("%.0f"), scaling(these, fewest, n).text("%.2f"),
				spread(same, p50).text("%.2f"),
			})
		}
	}
	return "Workers, when each round trip to the database takes milliseconds more", rows
}

func (r *Report) users() (string, [][]string) {
	rows := [][]string{
		{"", "side", "users", "p50 ms", "p50 × that of the fewest", "p99 ms", "requests/s"},
	}
	runs := where(r.Runs, kind(Users))
	for _, o := range distinct(runs, operationOf) {
		for _, s := range distinct(runs, sideOf) {
			these := where(runs, operation(o), side(s))
			sizes := ascending(these, usersOf)
			for _, n := range sizes {
				same := where(these, users(n))
				rows = append(rows, []string{
					o, s, fmt.Sprint(n), spread(same, p50).text("%.3f"),
					ratio(same, where(these, users(sizes[0])), p50).text("%.2f"),
					spread(same, p99).text("%.2f"), spread(same, throughput).text("%.0f"),
				})
			}
		}
	}
	return "Users in the table", rows
}

func (r *Report) batches() (string, [][]string) {
	rows := [][]string{{
		"", "connections", "requests/s", "operations in a NATS message",
		"operations in a transaction",
	}}
	runs := where(r.Runs, kind(Closed), func(r *Run) bool { return r.Message > 0 })
	for _, o := range distinct(runs, operationOf) {
		for _, n := range ascending(where(runs, operation(o)), connectionsOf) {
			same := where(runs, operation(o), connections(n))
			rows = append(rows, []string{
				o, fmt.Sprint(n), spread(same, throughput).text("%.0f"),
				spread(same, message).text("%.1f"),
				spread(where(same, func(r *Run) bool { return r.Batch > 0 }),
					perTransaction).text("%.1f"),
			})
		}
	}
	return "Batches of Outset", rows
}

func message(r *Run) float64        { return r.Message }
func perTransaction(r *Run) float64 { return r.Batch }

// invalid names the runs that are no results.
func (r *Report) invalid(b *strings.Builder) {
	heading := "\n## No results\n\n"
	for i := range r.Runs {
		if run := &r.Runs[i]; run.Invalid != "" {
			fmt.Fprintf(b, "%s- %s, %s, %d connections, round %d: %s\n", heading, run.Side,
				run.Operation, run.Connections, run.Round+1, run.Invalid)
			heading = ""
		}
	}
}
