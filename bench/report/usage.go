package report

import (
	"fmt"
	"maps"
	"slices"
)

// busiest returns the closed loops with the most connections.
func (r *Report) busiest() []Run {
	runs := where(r.Runs, kind(Closed))
	if len(runs) == 0 {
		return nil
	}
	numbers := ascending(runs, connectionsOf)
	return where(runs, connections(numbers[len(numbers)-1]))
}

// parts returns the names of processes under which any of the runs has a value, in a fixed order.
func parts(runs []Run, of func(*Run) map[string]float64) []string {
	names := make(map[string]bool)
	for i := range runs {
		for name := range of(&runs[i]) {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func cpuOf(r *Run) map[string]float64 { return r.CPU }
func rssOf(r *Run) map[string]float64 { return r.RSS }

func (r *Report) cpu() (string, [][]string) {
	return r.byProcess("CPU time per request in µs", cpuOf, "%.1f", true)
}

func (r *Report) memory() (string, [][]string) {
	return r.byProcess("Resident memory at the end in MiB, each process of a kind on average",
		rssOf, "%.0f", false)
}

// byProcess is a table of the busiest runs: a row for each side and operation, a column for each
// process.
func (r *Report) byProcess(
	title string, of func(*Run) map[string]float64, verb string, sum bool,
) (string, [][]string) {
	runs := r.busiest()
	if len(runs) == 0 {
		return "", nil
	}
	names := parts(runs, of)
	head := append([]string{"", "side"}, names...)
	if sum {
		head = append(head, "all")
	}
	rows := [][]string{head}
	for _, o := range distinct(runs, operationOf) {
		for _, s := range slices.Sorted(slices.Values(distinct(runs, sideOf))) {
			these := where(runs, operation(o), side(s))
			if len(these) == 0 {
				continue
			}
			row := []string{o, s}
			for _, name := range names {
				having := where(these, func(r *Run) bool { _, ok := of(r)[name]; return ok })
				row = append(row, spread(having,
					func(r *Run) float64 { return of(r)[name] }).text(verb))
			}
			if sum {
				row = append(row, spread(these, total).text(verb))
			}
			rows = append(rows, row)
		}
	}
	return fmt.Sprintf("%s, %d connections", title, runs[0].Connections), rows
}

// total is the CPU time per request of all processes together.
func total(r *Run) (sum float64) {
	for _, v := range r.CPU {
		sum += v
	}
	return sum
}
