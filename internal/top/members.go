package top

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/outset-settings/outset/internal/pool"
)

// Gone is a worker that doesn't answer any more: it has ended, hangs, or can't be reached.
const Gone pool.State = "gone"

// shownGone is how long a worker is listed that is gone.
const shownGone = 10 * time.Second

// Sample is the pool at one time.
type Sample struct {
	Time    time.Time `json:"time"`
	Pool    Totals    `json:"pool"`
	Workers []Worker  `json:"workers"` // the oldest first
}

// Totals are how many workers there are in each state, and the figures of all that are not gone.
type Totals struct {
	Serving    int     `json:"serving"`
	NoDatabase int     `json:"no_database"`
	Draining   int     `json:"draining"`
	Gone       int     `json:"gone"`
	Read       Figures `json:"read"`
	Write      Figures `json:"write"`
}

// Worker is one worker. The figures of one that is gone are those that it told last.
type Worker struct {
	ID      string     `json:"id"`
	Host    string     `json:"host"`
	PID     string     `json:"pid"`
	Version string     `json:"version"`
	State   pool.State `json:"state"`
	Started time.Time  `json:"started"` // by its own clock
	Uptime  Figure     `json:"uptime_seconds"`
	Read    Figures    `json:"read"`
	Write   Figures    `json:"write"`
	Both    Figures    `json:"-"` // of reads and writes together
}

// members are the workers that are known.
type members struct {
	all     map[string]*member
	patient bool // a worker may miss one question
}

// member is a worker that has been heard.
type member struct {
	before, now pool.Worker
	twice       bool      // before is there
	missed      int       // how often it did not answer since
	gone        time.Time // since when it is; zero: it is not
}

// take notes who was heard at this time. Who was not has missed the question.
func (m *members) take(heard []pool.Worker, at time.Time) {
	if m.all == nil {
		m.all = make(map[string]*member)
	}
	for _, known := range m.all {
		known.missed++
	}
	for _, w := range heard {
		known := m.all[w.ID]
		switch {
		case known != nil:
			known.answer(w)
		case len(m.all) < pool.MaxWorkers:
			m.all[w.ID] = &member{now: w}
		}
	}
	for id, known := range m.all {
		missed := known.missed > 1 || known.missed > 0 && (!m.patient || known.now.State == pool.Draining)
		if missed && known.gone.IsZero() {
			known.gone = at
		}
		if missed && at.Sub(known.gone) >= shownGone {
			delete(m.all, id)
		}
	}
}

// answer notes an answer. One that is no later than the last tells nothing, and may be forged.
func (m *member) answer(w pool.Worker) {
	m.missed, m.gone = 0, time.Time{}
	if up(w) > up(m.now) {
		m.before, m.now, m.twice = m.now, w, true
	}
}

// areIn tells whether all of them are among these.
func (m *members) areIn(heard []pool.Worker) bool {
	found := 0
	for _, w := range heard {
		if m.all[w.ID] != nil {
			found++
		}
	}
	return found == len(m.all)
}

// up is how long the worker had run when it told its figures.
func up(w pool.Worker) time.Duration { return endpoint(w, reads).Up }

// The names of endpoints.
const (
	reads  = "read"
	writes = "write"
)

func endpoint(w pool.Worker, name string) pool.Endpoint {
	for _, e := range w.Endpoints {
		if e.Name == name {
			return e
		}
	}
	return pool.Endpoint{}
}

// sample returns the pool as it was last heard.
func (m *members) sample(at time.Time) Sample {
	s := Sample{Time: at.UTC(), Workers: []Worker{}} // in JSON [] and not null
	var allReads, allWrites []part
	for _, known := range m.all {
		read, write := known.part(reads), known.part(writes)
		w := known.now
		shown := Worker{
			ID: w.ID, Host: plain(w.Host), PID: plain(w.PID), Version: plain(w.Version),
			State: known.state(), Started: w.Started, Uptime: Figure(up(w).Seconds()),
			Read: figuresOf(read), Write: figuresOf(write), Both: figuresOf(read, write),
		}
		s.Pool.count(shown.State)
		s.Workers = append(s.Workers, shown)
		if shown.State != Gone {
			allReads, allWrites = append(allReads, read), append(allWrites, write)
		}
	}
	s.Pool.Read, s.Pool.Write = figuresOf(allReads...), figuresOf(allWrites...)
	slices.SortFunc(s.Workers, byAge)
	return s
}

// plain returns a text in printable ASCII, which is safe on a terminal and as wide as it is long.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
}

// byAge orders workers, the oldest first.
func byAge(a, b Worker) int { return cmp.Or(a.Started.Compare(b.Started), cmp.Compare(a.ID, b.ID)) }

func (m *member) part(name string) part {
	p := part{now: endpoint(m.now, name)}
	if m.twice {
		p.before = endpoint(m.before, name)
		p.since = p.now.Up - p.before.Up
	}
	return p
}

func (m *member) state() pool.State {
	if !m.gone.IsZero() {
		return Gone
	}
	return m.now.State
}

func (t *Totals) count(s pool.State) {
	switch s {
	case pool.Serving:
		t.Serving++
	case pool.NoDatabase:
		t.NoDatabase++
	case pool.Draining:
		t.Draining++
	case Gone:
		t.Gone++
	}
}
