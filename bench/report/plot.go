package report

import (
	"fmt"
	"image/color"
	"path/filepath"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

// Plot is a picture that was written.
type Plot struct{ Title, File string }

const width, height = 16 * vg.Centimeter, 10 * vg.Centimeter

// drawer collects the pictures, and the first error.
type drawer struct {
	dir, prefix string
	plots       []Plot
	err         error
}

// plot draws what there are runs for.
func (r *Report) plot(dir, name string) ([]Plot, error) {
	d := &drawer{dir: dir, prefix: name}
	closed := where(r.Runs, kind(Closed))
	for _, o := range distinct(closed, operationOf) {
		these := where(closed, operation(o))
		if len(distinct(these, connectionsOf)) > 1 {
			d.lines(o+": throughput", "connections", "requests per second", false, bySide(these, connectionsOf, throughput, ""))
			d.lines(o+": latency", "connections", "milliseconds", true,
				append(bySide(these, connectionsOf, p50, " p50"), bySide(these, connectionsOf, p99, " p99")...))
		}
	}
	if batches := where(closed, func(r *Run) bool { return r.Message > 0 }); len(distinct(batches, connectionsOf)) > 1 {
		var all []line
		for _, o := range distinct(batches, operationOf) {
			these := where(batches, operation(o))
			all = append(all, lineOf(o+", NATS message", these, connectionsOf, message))
			if at := where(these, func(r *Run) bool { return r.Batch > 0 }); len(at) > 0 {
				all = append(all, lineOf(o+", transaction", at, connectionsOf, perTransaction))
			}
		}
		d.lines("batch size", "connections", "operations", false, all)
	}
	if runs := where(r.Runs, kind(Workers)); len(distinct(runs, workersOf)) > 1 {
		d.lines("workers: throughput", "workers", "requests per second", false, byOperation(runs, workersOf, throughput))
	}
	if runs := where(r.Runs, kind(Users)); len(distinct(runs, usersOf)) > 1 {
		var all []line
		for _, s := range distinct(runs, sideOf) {
			for _, l := range byOperation(where(runs, side(s)), usersOf, p50) {
				l.name = s + ", " + l.name
				all = append(all, l)
			}
		}
		d.lines("users: p50", "users", "milliseconds", false, all)
	}
	d.bars("CPU time per request", r.busiest())
	return d.plots, d.err
}

// line is a figure with its spread at each x.
type line struct {
	name   string
	x      []int
	values []Spread
}

func lineOf(name string, runs []Run, x func(*Run) int, of figure) line {
	l := line{name: name, x: ascending(runs, x)}
	for _, at := range l.x {
		l.values = append(l.values, spread(where(runs, func(r *Run) bool { return x(r) == at }), of))
	}
	return l
}

func bySide(runs []Run, x func(*Run) int, of figure, suffix string) (lines []line) {
	for _, s := range slices.Sorted(slices.Values(distinct(runs, sideOf))) {
		lines = append(lines, lineOf(s+suffix, where(runs, side(s)), x, of))
	}
	return lines
}

func byOperation(runs []Run, x func(*Run) int, of figure) (lines []line) {
	for _, o := range distinct(runs, operationOf) {
		lines = append(lines, lineOf(o, where(runs, operation(o)), x, of))
	}
	return lines
}

// points are what gonum wants: places with a distance to the least and the most.
func (l line) points() (plotter.XYs, plotter.YErrors) {
	var places plotter.XYs
	var errors plotter.YErrors
	for i, v := range l.values {
		places = append(places, plotter.XY{X: float64(l.x[i]), Y: v.Median})
		errors = append(errors, struct{ Low, High float64 }{v.Median - v.Min, v.Max - v.Median})
	}
	return places, errors
}

// lines draws figures against a number that doubles and doubles.
func (d *drawer) lines(title, x, y string, logarithmic bool, lines []line) {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.BackgroundColor = color.White
	p.Add(plotter.NewGrid())
	p.X.Scale = plot.LogScale{}
	p.Y.Min = 0
	var ticks []plot.Tick
	for i, l := range lines {
		places, errors := l.points()
		curve, dots, err := plotter.NewLinePoints(places)
		if err != nil {
			d.fail(err)
			return
		}
		bars, err := plotter.NewYErrorBars(struct {
			plotter.XYs
			plotter.YErrors
		}{places, errors})
		if err != nil {
			d.fail(err)
			return
		}
		curve.Color, dots.Color, bars.Color = plotutil.Color(i), plotutil.Color(i), plotutil.Color(i)
		curve.Dashes, dots.Shape = plotutil.Dashes(i), plotutil.Shape(i)
		p.Add(curve, dots, bars)
		p.Legend.Add(l.name, curve, dots)
		for _, at := range l.x {
			ticks = append(ticks, plot.Tick{Value: float64(at), Label: strconv.Itoa(at)})
		}
	}
	p.X.Tick.Marker = plot.ConstantTicks(ticks)
	if logarithmic {
		p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
		p.Y.Min = least(lines)
	}
	p.Legend.Top = true
	p.Legend.Left = !logarithmic
	d.save(p)
}

// least is the smallest value of all.
func least(lines []line) float64 {
	smallest := lines[0].values[0].Min
	for _, l := range lines {
		for _, v := range l.values {
			smallest = min(smallest, v.Min)
		}
	}
	return max(smallest, 1e-3)
}

// bars draws what each process takes of a request, one upon the other.
func (d *drawer) bars(title string, runs []Run) {
	names := parts(runs, cpuOf)
	if len(names) == 0 {
		return
	}
	p := plot.New()
	p.Title.Text, p.Y.Label.Text = fmt.Sprintf("%s, %d connections", title, runs[0].Connections), "microseconds"
	p.BackgroundColor = color.White
	var labels []string
	var groups [][]Run
	for _, o := range distinct(runs, operationOf) {
		for _, s := range slices.Sorted(slices.Values(distinct(runs, sideOf))) {
			if these := where(runs, operation(o), side(s)); len(these) > 0 {
				groups, labels = append(groups, these), append(labels, o+"\n"+s)
			}
		}
	}
	var below *plotter.BarChart
	for i, name := range names {
		var values plotter.Values
		for _, g := range groups {
			values = append(values, median(g, func(r *Run) float64 { return r.CPU[name] }))
		}
		bars, err := plotter.NewBarChart(values, 0.6*width/vg.Length(len(groups)+1))
		if err != nil {
			d.fail(err)
			return
		}
		bars.Color, bars.LineStyle.Width = plotutil.Color(i), 0
		if below != nil {
			bars.StackOn(below)
		}
		below = bars
		p.Add(bars)
		p.Legend.Add(name, bars)
	}
	p.NominalX(labels...)
	p.Legend.Top = true
	d.save(p)
}

func (d *drawer) save(p *plot.Plot) {
	file := fmt.Sprintf("%s-%s.svg", d.prefix, fileName(p.Title.Text))
	if err := p.Save(width, height, filepath.Join(d.dir, file)); err != nil {
		d.fail(fmt.Errorf("%s: %w", file, err))
		return
	}
	d.plots = append(d.plots, Plot{p.Title.Text, file})
}

func (d *drawer) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

// fileName makes a title fit for a file's name.
func fileName(title string) string {
	var name []rune
	for _, r := range title {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			name = append(name, r)
		case len(name) > 0 && name[len(name)-1] != '-':
			name = append(name, '-')
		}
	}
	return string(name)
}
