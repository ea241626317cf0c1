package top

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/outset-settings/outset/internal/pool"
)

// heardOf returns what the workers with these numbers tell after having run for so long.
func heardOf(up time.Duration, numbers ...int) (heard []pool.Worker) {
	for _, n := range numbers {
		heard = append(heard, tells(n, up))
	}
	return heard
}

// TestRates: of each worker, and of all, by the workers' own clocks.
func TestRates(t *testing.T) {
	t.Parallel()
	var m members
	m.take(heardOf(time.Hour, 1, 2), noon)
	s := m.sample(noon)
	if r := s.Pool.Read; r.Rate.Known() || r.Utilisation.Known() || r.P50.Known() || r.Batch.Known() ||
		r.Operations != 3*100*3600 || r.Lanes != 8 || s.Pool.Write.Oldest != .02 {
		t.Errorf("after one answer: %+v", s.Pool)
	}
	// The answer of the third is its first. Ten seconds of the workers were heard within two.
	m.take(heardOf(time.Hour+10*time.Second, 1, 2, 3), noon.Add(2*time.Second))
	s = m.sample(noon)
	for what, f := range map[string][2]Figure{
		"reads of the first":       {s.Workers[0].Read.Rate, 100},
		"writes of the second":     {s.Workers[1].Write.Rate, 20},
		"reads of both":            {s.Pool.Read.Rate, 300},
		"a batch of reads":         {s.Pool.Read.Batch, 2},
		"lanes of the first":       {s.Workers[0].Read.Utilisation, 1. / 16},
		"lanes of both":            {s.Pool.Read.Utilisation, 1.5 / 16},
		"the first's uptime":       {s.Workers[0].Uptime, 3610},
		"the time of the pool's w": {s.Pool.Write.Oldest, .03},
	} {
		if math.Abs(float64(f[0]-f[1])) > 1e-9 {
			t.Errorf("%s: %v, want %v", what, f[0], f[1])
		}
	}
	if w := s.Workers[2]; w.Read.Rate.Known() || w.State != pool.Serving {
		t.Errorf("the third: %+v", w)
	}
	if r := s.Workers[0].Read; r.P50 < .0004 || r.P50 > .0005 || r.P99 < r.P50 {
		t.Errorf("latencies: %+v", r)
	}
}

// TestGone: one answer may get lost. Two may not, nor that of a worker that was about to end.
func TestGone(t *testing.T) {
	t.Parallel()
	m := members{patient: true}
	states := func() (s [4]pool.State) {
		for _, w := range m.sample(noon).Workers {
			s[int(w.ID[3]-'0')] = w.State
		}
		return s
	}
	heard := heardOf(time.Hour, 1, 2, 3)
	heard[2].State = pool.Draining
	m.take(heard, noon)
	for i, want := range [][4]pool.State{
		{"", pool.Serving, pool.Serving, Gone},
		{"", pool.Serving, Gone, Gone},
		{"", pool.Serving, Gone, Gone},
	} {
		m.take(heardOf(time.Hour+time.Duration(i+1)*time.Second, 1), noon.Add(time.Duration(i)*time.Second))
		if got := states(); got != want {
			t.Errorf("missed %d times: %v, want %v", i+1, got, want)
		}
	}
	if all := m.sample(noon).Pool; all.Gone != 2 || all.Read.Operations != 100*3603 {
		t.Errorf("those that are gone count: %+v", all)
	}
	m.take(heardOf(time.Hour+4*time.Second, 1, 2), noon.Add(shownGone))
	if got, want := states(), ([4]pool.State{"", pool.Serving, pool.Serving}); got != want {
		t.Errorf("later: %v, want %v", got, want)
	}
}

// TestManyWorkers: whoever reaches NATS may claim to be any number of workers.
func TestManyWorkers(t *testing.T) {
	t.Parallel()
	m := members{patient: true}
	for round := range 3 {
		var heard []pool.Worker
		for i := range pool.MaxWorkers {
			heard = append(heard, pool.Worker{ID: fmt.Sprint(round, i)})
		}
		m.take(heard, noon)
	}
	if len(m.all) != pool.MaxWorkers {
		t.Errorf("%d are known", len(m.all))
	}
}

// TestForgedAnswers: nothing in an answer gets to the terminal that isn't plain text, and no figure
// makes it stop.
func TestForgedAnswers(t *testing.T) {
	t.Parallel()
	m := members{patient: true}
	for up := range time.Duration(3) {
		m.take([]pool.Worker{
			{ID: "v", Version: "1\x1b[2J", Host: "h\u202e日本", PID: "\xff\n"},
			{ID: "w", Endpoints: []pool.Endpoint{{
				Name: "read", Requests: -int(up), Errors: math.MinInt,
				EndpointData: pool.EndpointData{
					Up: up, Queue: pool.Queue{Lanes: -1, Busy: math.MaxInt64, Waiting: math.MinInt},
				},
			}}},
		}, noon)
	}
	for _, r := range m.sample(noon).Text() {
		if r != '\n' && (r < ' ' || r > '~') {
			t.Errorf("%q in %q", r, m.sample(noon).Text())
		}
	}
	if _, err := json.Marshal(m.sample(noon)); err != nil {
		t.Error(err)
	}
}

// TestWidths: whatever a figure is, it fits into its column.
func TestWidths(t *testing.T) {
	t.Parallel()
	for f := Figure(1e-7); f < 1e15; f *= 1.013 {
		for _, c := range []struct {
			text string
			most int
		}{{count(f), 5}, {took(f), 5}, {age(f), 4}, {share(f), 4}} {
			if n := len([]rune(c.text)); n > c.most || n == 0 {
				t.Errorf("%v is %q", f, c.text)
			}
		}
	}
	for text, got := range map[string]string{
		"-": count(unknown), "0": count(0), "9.9": count(9.94), "10": count(9.95), "100k": count(1e5),
		"7": whole(7), "842µs": took(842e-6), "1.0ms": took(.001), "10ms": took(.00996),
		"2.5s": took(2.5), "99s": age(99.9), "25h": age(25 * 3600), "5d": age(5 * 24 * 3600), "62%": share(.62),
	} {
		if text != got {
			t.Errorf("%q, want %q", got, text)
		}
	}
}
