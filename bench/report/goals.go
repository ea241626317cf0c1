package report

import (
	"fmt"
	"math"
	"slices"
)

// goal is what Outset is to reach.
type goal struct {
	text   string
	most   bool // of a figure that is better when it is lower
	wanted float64
	is     Spread
}

const outset = "outset"

// goals are judged on medians. Those that nothing was measured for are left out of the table.
func (r *Report) goals() (string, [][]string) {
	var all []goal
	for _, g := range []struct {
		operation   string
		connections int
		than        string
		wanted      float64
	}{
		{"read", 256, Direct, 2},
		{"read", 256, "hono", 4},
		{"read", 256, "static", 0.5},
		{"replace", 256, Direct, 2},
		{"replace", 256, "hono", 3.5},
		{"read", 64, Direct, 1.4},
		{"replace", 64, Direct, 1.6},
		{"patch", 256, Direct, 1.5},
	} {
		all = append(all, goal{
			text: fmt.Sprintf("%s, %d connections: requests/s × %s", g.operation, g.connections,
				g.than),
			wanted: g.wanted, is: r.against(Closed, g.operation, g.connections, g.than, throughput),
		})
	}
	all = append(all,
		goal{
			"read, 1 connection: p50 × direct", true, 2.2,
			r.against(Closed, "read", 1, Direct, p50),
		},
		goal{
			"replace, 1 connection: p50 × direct", true, 1.8,
			r.against(Closed, "replace", 1, Direct, p50),
		})
	for _, o := range []string{"read", "replace"} {
		all = append(all,
			goal{o + ", open loop: p99 × direct", true, 1, r.against(Open, o, 0, Direct, p99)},
			goal{
				o + ", far database: requests/s × linear with the most workers", false, 0.9,
				r.linear(o),
			},
			goal{o + ": p50 with the most users × the fewest", true, 1.2, r.growth(o)})
	}
	for _, process := range []string{"api", "worker"} {
		of256 := where(r.Runs, kind(Closed), side(outset), connections(256))
		all = append(all, goal{
			process + ", 256 connections: MiB of memory", true, 64,
			spread(of256, func(r *Run) float64 { return r.RSS[process] }),
		})
	}
	rows := [][]string{{"goal", "wanted", "measured", "reached"}}
	for _, g := range all {
		if !math.IsNaN(g.is.Median) {
			rows = append(rows, g.row())
		}
	}
	return "Goals", rows
}

func (g goal) row() []string {
	sign, reached := "≥", g.is.Median >= g.wanted
	if g.most {
		sign, reached = "≤", g.is.Median <= g.wanted
	}
	answer := "no"
	if reached {
		answer = "yes"
	}
	verb := "%.2f"
	// it would look as if it were
	if !reached && fmt.Sprintf(verb, g.is.Median) == fmt.Sprintf(verb, g.wanted) {
		verb = "%.3f"
	}
	return []string{g.text, fmt.Sprintf("%s %v", sign, g.wanted), g.is.text(verb), answer}
}

// against is Outset's figure to that of another side. 0 connections stand for any number.
func (r *Report) against(k Kind, o string, n int, other string, of figure) Spread {
	runs := where(r.Runs, kind(k), operation(o), func(r *Run) bool {
		return n == 0 || r.Connections == n
	})
	return ratio(where(runs, side(outset)), where(runs, side(other)), of)
}

// linear is the throughput with the most workers to what it would be if each added as much as the
// first.
func (r *Report) linear(o string) Spread {
	runs := where(r.Runs, kind(Workers), operation(o))
	if len(runs) == 0 {
		return SpreadOf(nil)
	}
	numbers := ascending(runs, workersOf)
	return scaling(runs, numbers[0], numbers[len(numbers)-1])
}

func scaling(runs []Run, fewest, n int) Spread {
	s := ratio(where(runs, workers(n)), where(runs, workers(fewest)), throughput)
	part := float64(fewest) / float64(n)
	return Spread{s.Median * part, s.Min * part, s.Max * part}
}

// growth is the p50 with the most users to that with the fewest.
func (r *Report) growth(o string) Spread {
	runs := where(r.Runs, kind(Users), operation(o), side(outset))
	if len(runs) == 0 {
		return SpreadOf(nil)
	}
	numbers := ascending(runs, usersOf)
	return ratio(where(runs, users(slices.Max(numbers))), where(runs, users(numbers[0])), p50)
}
