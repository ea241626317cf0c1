package report

import (
	"fmt"
	"math"
	"slices"
)

// Spread is what several rounds of the same came to.
type Spread struct{ Median, Min, Max float64 }

// SpreadOf returns the spread of the values, all NaN when there are none.
func SpreadOf(values []float64) Spread {
	if len(values) == 0 {
		return Spread{math.NaN(), math.NaN(), math.NaN()}
	}
	v := slices.Sorted(slices.Values(values))
	middle := len(v) / 2
	median := v[middle]
	if len(v)%2 == 0 {
		median = (v[middle-1] + v[middle]) / 2
	}
	return Spread{median, v[0], v[len(v)-1]}
}

// text shows the spread with a fmt verb for each number.
func (s Spread) text(verb string) string {
	if math.IsNaN(s.Median) {
		return "–"
	}
	if s.Min == s.Max {
		return fmt.Sprintf(verb, s.Median)
	}
	return fmt.Sprintf(verb+" ("+verb+"–"+verb+")", s.Median, s.Min, s.Max)
}

// where returns the valid runs for which all conditions hold.
func where(runs []Run, conditions ...func(*Run) bool) []Run {
	var found []Run
	for i := range runs {
		if runs[i].Invalid == "" && !slices.ContainsFunc(conditions,
			func(c func(*Run) bool) bool { return !c(&runs[i]) }) {
			found = append(found, runs[i])
		}
	}
	return found
}

func kind(k Kind) func(*Run) bool        { return func(r *Run) bool { return r.Kind == k } }
func side(s string) func(*Run) bool      { return func(r *Run) bool { return r.Side == s } }
func operation(o string) func(*Run) bool { return func(r *Run) bool { return r.Operation == o } }
func connections(n int) func(*Run) bool {
	return func(r *Run) bool { return r.Connections == n }
}
func workers(n int) func(*Run) bool        { return func(r *Run) bool { return r.Workers == n } }
func users(n int) func(*Run) bool          { return func(r *Run) bool { return r.Users == n } }
func throughput(r *Run) float64            { return r.Throughput }
func p50(r *Run) float64                   { return r.P50 }
func p99(r *Run) float64                   { return r.P99 }
func p999(r *Run) float64                  { return r.P999 }
func spread(runs []Run, of figure) Spread  { return SpreadOf(each(runs, of)) }
func median(runs []Run, of figure) float64 { return spread(runs, of).Median }

// figure is one number of a run.
type figure func(*Run) float64

func each(runs []Run, of figure) []float64 {
	var values []float64
	for i := range runs {
		values = append(values, of(&runs[i]))
	}
	return values
}

// ratio is the spread of the figure of these to that of the others in the same round.
func ratio(these, others []Run, of figure) Spread {
	var values []float64
	for i := range these {
		for k := range others {
			if these[i].Round == others[k].Round && of(&others[k]) > 0 {
				values = append(values, of(&these[i])/of(&others[k]))
			}
		}
	}
	return SpreadOf(values)
}

// distinct returns what a run has under of, each once, in order of appearance.
func distinct[T comparable](runs []Run, of func(*Run) T) []T {
	var found []T
	for i := range runs {
		if v := of(&runs[i]); !slices.Contains(found, v) {
			found = append(found, v)
		}
	}
	return found
}

func sideOf(r *Run) string      { return r.Side }
func operationOf(r *Run) string { return r.Operation }
func connectionsOf(r *Run) int  { return r.Connections }
func workersOf(r *Run) int      { return r.Workers }
func usersOf(r *Run) int        { return r.Users }

// ascending returns the distinct numbers in order.
func ascending(runs []Run, of func(*Run) int) []int {
	return slices.Sorted(slices.Values(distinct(runs, of)))
}
