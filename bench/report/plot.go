package report

import (
	"fmt"
	"image/color"
	"maps"
	"math"
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

const width, height = 18 * vg.Centimeter, 11 * vg.Centimeter

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
			d.lines(o+": throughput", "connections", "requests per second", true,
				bySide(these, connectionsOf, throughput, ""))
			d.lines(o+": latency", "connections", "milliseconds", true,
				append(bySide(these, connectionsOf, p50, " p50"),
					bySide(these, connectionsOf, p99, " p99")...))
		}
	}
	if batches := where(closed, func(r *Run) bool { return r.Message > 0 }); len(distinct(batches,
		connectionsOf)) > 1 {
		var all []line
		for _, o := range distinct(batches, operationOf) {
			these := where(batches, operation(o))
			l := lineOf(o+", NATS message", these, connectionsOf, message)
			l.style = len(all)
			all = append(all, l)
			if at := where(these, func(r *Run) bool { return r.Batch > 0 }); len(at) > 0 {
				l := lineOf(o+", transaction", at, connectionsOf, perTransaction)
				l.style, l.dashes = len(all)-1, 1
				all = append(all, l)
			}
		}
		d.lines("batch size", "connections", "operations", false, all)
	}
	if runs := where(r.Runs, kind(Workers)); len(distinct(runs, workersOf)) > 1 {
		d.lines("workers: throughput", "workers", "requests per second", false,
			byOperation(runs, workersOf, throughput))
	}
	if runs := where(r.Runs, kind(Users)); len(distinct(runs, usersOf)) > 1 {
		var all []line
		for _, s := range distinct(runs, sideOf) {
			for _, l := range byOperation(where(runs, side(s)), usersOf, p50) {
				l.name, l.style = s+", "+l.name, len(all)
				all = append(all, l)
			}
		}
		d.lines("users: p50", "users", "milliseconds", false, all)
	}
	d.bars("CPU time per request", r.busiest())
	return d.plots, d.err
}

// palette has as many colours as there are processes and sides, each to be told from the others.
var palette = []color.Color{
	color.RGBA{0x1f, 0x77, 0xb4, 0xff},
	color.RGBA{0xff, 0x7f, 0x0e, 0xff},
	color.RGBA{0x2c, 0xa0, 0x2c, 0xff},
	color.RGBA{0xd6, 0x27, 0x28, 0xff},
	color.RGBA{0x94, 0x67, 0xbd, 0xff},
	color.RGBA{0x8c, 0x56, 0x4b, 0xff},
	color.RGBA{0xe3, 0x77, 0xc2, 0xff},
	color.RGBA{0x7f, 0x7f, 0x7f, 0xff},
	color.RGBA{0xbc, 0xbd, 0x22, 0xff},
	color.RGBA{0x17, 0xbe, 0xcf, 0xff},
}

// line is a figure with its spread at each x.
type line struct {
	name   string
	style  int // lines of one side have one colour
	dashes int
	x      []int
	values []Spread
}

func lineOf(name string, runs []Run, x func(*Run) int, of figure) line {
	l := line{name: name, x: ascending(runs, x)}
	for _, at := range l.x {
		l.values = append(l.values, spread(where(runs, func(r *Run) bool { return x(r) == at }),
			of))
	}
	return l
}

func bySide(runs []Run, x func(*Run) int, of figure, suffix string) (lines []line) {
	for i, s := range slices.Sorted(slices.Values(distinct(runs, sideOf))) {
		l := lineOf(s+suffix, where(runs, side(s)), x, of)
		l.style = i
		if suffix == " p99" {
			l.dashes = 1
		}
		lines = append(lines, l)
	}
	return lines
}

func byOperation(runs []Run, x func(*Run) int, of figure) (lines []line) {
	for i, o := range distinct(runs, operationOf) {
		l := lineOf(o, where(runs, operation(o)), x, of)
		l.style = i
		lines = append(lines, l)
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
	p := newPlot(title, y)
	p.X.Label.Text = x
	p.Add(plotter.NewGrid())
	p.X.Scale = plot.LogScale{}
	p.Y.Min = 0
	ticks := make(map[int]plot.Tick)
	for _, l := range lines {
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
		c := palette[l.style%len(palette)]
		curve.Color, dots.Color, bars.Color = c, c, c
		curve.Dashes, dots.Shape = plotutil.Dashes(l.dashes), plotutil.Shape(l.style)
		curve.Width = vg.Points(1.5)
		p.Add(curve, dots, bars)
		p.Legend.Add(l.name, curve, dots)
		for _, at := range l.x {
			ticks[at] = plot.Tick{Value: float64(at), Label: strconv.Itoa(at)}
		}
	}
	p.X.Tick.Marker = plot.ConstantTicks(slices.Collect(maps.Values(ticks)))
	// Room on the right for the legend: about a third of the width.
	p.X.Max *= math.Pow(p.X.Max/p.X.Min, 0.45)
	if logarithmic {
		p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
		p.Y.Min = least(lines)
	}
	d.save(p)
}

func newPlot(title, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.Y.Label.Text = title, y
	p.Title.Padding = vg.Points(6)
	p.BackgroundColor = color.White
	// On the right, but with the text right of its sign: the reader's font may be wider than the
	// one that is reckoned with here.
	p.Legend.Top, p.Legend.Left, p.Legend.XOffs = true, true, 0.66*width
	return p
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
	p := newPlot(fmt.Sprintf("%s, %d connections", title, runs[0].Connections), "microseconds")
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
		bars, err := plotter.NewBarChart(values, 0.45*width/vg.Length(len(groups)+1))
		if err != nil {
			d.fail(err)
			return
		}
		bars.Color, bars.LineStyle.Width = palette[i%len(palette)], 0
		if below != nil {
			bars.StackOn(below)
		}
		below = bars
		p.Add(bars)
		p.Legend.Add(name, bars)
	}
	p.NominalX(labels...)
	p.X.Max += 0.4 * float64(len(groups)) // room for the legend
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
