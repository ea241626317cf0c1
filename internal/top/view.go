package top

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"

	"github.com/outset-settings/outset/internal/pool"
)

// style is how a terminal shows a line: the parameter of the escape sequence SGR.
type style string

const (
	bold   style = "1"
	faint  style = "2"
	red    style = "31"
	yellow style = "33"
)

// styled is a line, and how it looks.
type styled struct {
	text  string
	style style
}

// helpText explains the keys and the columns, in 80 by 24 characters.
const helpText = `q quit   s S sort   p pause   ? help   up down pgup pgdn home end scroll

WORKER   the beginning of the worker's id, as in logs
STATE    serving; no db: it can't reach its database and takes no requests;
         draining: it was told to stop; gone: it doesn't answer any more
UP       how long it has run
READ/S   reads that it answers a second, and WRITE/S writes
P50 P99  within this time half of them, and 99 of 100, are answered from when
         they arrive at the worker; within a fifth. R and W: of reads, of writes
BATCH    operations of a batch, which is a round trip to the database
LANES    how much of its lanes is busy, for reads or writes, whichever is more
WAIT     operations that wait for a batch, and OLDEST the time of the first
ERR/S    operations a second that fail by a fault of the service
REFUSED  operations a second that are refused because too much waits

Near 100 % of LANES more workers help, unless it is the database that they wait
for. A wider terminal shows more columns.`

// View draws the screen.
func (s *Screen) View() tea.View {
	v := tea.NewView(s.draw())
	v.AltScreen = true
	return v
}

// draw returns the lines of the screen, none longer than it is wide and no more than it is high.
func (s *Screen) draw() string {
	lines := s.head()
	if s.help {
		for text := range strings.Lines(helpText) {
			lines = append(lines, styled{text: strings.TrimSuffix(text, "\n")})
		}
	} else {
		lines = append(lines, s.table()...)
	}
	lines = lines[:min(len(lines), max(s.height-1, 0))]
	for len(lines) < s.height-1 {
		lines = append(lines, styled{})
	}
	lines = append(lines, styled{text: s.foot(), style: faint})
	drawn := make([]string, len(lines))
	for i, l := range lines {
		drawn[i] = clip(l.text, s.width)
		if s.colour && l.style != "" && drawn[i] != "" {
			drawn[i] = "\x1b[" + string(l.style) + "m" + drawn[i] + "\x1b[m"
		}
	}
	return strings.Join(drawn, "\n")
}

// head is what stands above the table: in a terminal that is not high only what matters most.
func (s *Screen) head() []styled {
	lines := []styled{s.title()}
	if s.help || s.height < lowest {
		return lines
	}
	lines = append(lines, styled{text: s.sample.summary()}, styled{})
	for i, text := range poolTable(s.sample.Pool) {
		lines = append(lines, styled{text, headed(i)})
	}
	return append(lines, styled{})
}

// lowest is how many lines a terminal has that shows the totals: seven, with five of the table and
// the keys below.
const lowest = 13

// headed is the style of a line of a table.
func headed(i int) style {
	if i == 0 {
		return bold
	}
	return ""
}

// title says where the workers are, or why they can't be asked.
func (s *Screen) title() styled {
	switch {
	case s.err != nil && s.heard.IsZero():
		return styled{fmt.Sprintf("NATS can't be reached; trying again: %v", s.err), red}
	case s.err != nil:
		return styled{fmt.Sprintf("NATS is lost since %s; trying again: %v",
			s.heard.Local().Format(time.TimeOnly), s.err), red}
	case s.paused:
		return styled{"paused at " + s.sample.Time.Local().Format(time.TimeOnly) + ": p goes on", yellow}
	}
	return styled{fmt.Sprintf("outset top  %s  every %v", s.server, s.interval), bold}
}

// rows is how many workers there is room for.
func (s *Screen) rows() int { return s.height - len(s.head()) - 2 }

func (s *Screen) table() []styled {
	columns := fitting(s.width)
	lines := []styled{{heading(columns), bold}}
	workers := s.sample.Workers
	switch {
	case s.heard.IsZero():
		return append(lines, styled{text: "asking the workers"})
	case len(workers) == 0:
		return append(lines, styled{text: "no worker answers"})
	}
	for _, w := range workers[s.first:min(s.first+max(s.rows(), 0), len(workers))] {
		lines = append(lines, styled{row(columns, w), styleOf(w.State)})
	}
	return lines
}

func styleOf(s pool.State) style {
	switch s {
	case pool.NoDatabase:
		return red
	case pool.Draining:
		return yellow
	case Gone:
		return faint
	default:
		return ""
	}
}

// foot names the keys, the order, and which workers are shown.
func (s *Screen) foot() string {
	keys := "q quit  s sort: " + orders[s.order].name + "  p pause  ? help"
	shown := ""
	if n := len(s.sample.Workers); n > s.rows() && !s.help && s.rows() > 0 {
		shown = fmt.Sprintf("%d-%d of %d", s.first+1, s.first+s.rows(), n)
	}
	gap := s.width - len(keys) - utf8.RuneCountInString(shown)
	return keys + strings.Repeat(" ", max(gap, 2)) + shown
}
