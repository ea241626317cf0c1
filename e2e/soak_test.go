package e2e

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/outset-settings/outset/internal/testmetrics"
)

var soakTime = flag.Duration("soak.duration", 0, "how long TestSoak does harm; 0: it is skipped")

// What a program may need at the end of a soak beyond what it needed in its second quarter.
const (
	moreMemory     = 16 << 20 // bytes
	moreGoroutines = 20
)

// usage is what a program used at a moment.
type usage struct{ resident, heap, goroutines float64 }

var ofGo = regexp.MustCompile(`(?m)^(process_resident_memory_bytes|go_memstats_heap_inuse_bytes|go_goroutines) .*$`)

// usage asks the program at this admin address what it uses.
func (s *system) usage(admin string) usage {
	s.t.Helper()
	a, err := s.want(admin, call{method: http.MethodGet, path: "/metrics"}, http.StatusOK, -1)
	s.do(err)
	v := testmetrics.Parse(s.t, strings.Join(ofGo.FindAllString(a.body, -1), "\n"))
	return usage{
		v["process_resident_memory_bytes"], v["go_memstats_heap_inuse_bytes"], v["go_goroutines"],
	}
}

// TestSoak does harm to every part for long, but for one API and one worker: what they use must not
// grow from its second quarter to its last.
func TestSoak(t *testing.T) {
	if *soakTime == 0 {
		t.Skip("it takes long: make soak")
	}
	seed := *chaosSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	ctx, cancel := context.WithTimeout(t.Context(), *soakTime+testTimeout)
	defer cancel()
	c := newChaos(ctx, t, seed)
	c.kept = 1
	c.do(c.apis[0].listens(ctx, "admin listening"))
	names := []string{"API", "worker"}
	admins := []string{"http://" + c.apis[0].addr, "http://" + c.workers[0].addr}
	c.settle(300)

	type sample struct {
		at  time.Time
		use [2]usage
	}
	var samples []sample
	began := time.Now()
	done := c.harm(*soakTime, func() {
		now := sample{at: time.Now()}
		for i, admin := range admins {
			now.use[i] = c.usage(admin)
		}
		samples = append(samples, now)
	})
	c.load.finish()
	log, err := chaosLog(ctx, c.database)
	c.do(err)
	if err := c.load.judge(log); err != nil {
		t.Errorf("seed %d: %v", seed, err)
	}

	// quarter is the median of what a program used in a quarter of the time.
	quarter := func(q, program int) (u usage) {
		var of [3][]float64
		for _, s := range samples {
			if int(4*s.at.Sub(began)/(*soakTime+time.Second)) == q {
				for i, v := range []float64{
					s.use[program].resident, s.use[program].heap, s.use[program].goroutines,
				} {
					of[i] = append(of[i], v)
				}
			}
		}
		for i, into := range []*float64{&u.resident, &u.heap, &u.goroutines} {
			if slices.Sort(of[i]); len(of[i]) > 0 {
				*into = of[i][len(of[i])/2]
			}
		}
		return u
	}
	faults := 0
	for _, n := range done {
		faults += n
	}
	var table strings.Builder
	for i, name := range names {
		for q := range 4 {
			u := quarter(q, i)
			_, _ = fmt.Fprintf(&table, "\n  %-6s quarter %d: %.1f MiB resident, %.1f MiB of heap, "+
				"%.0f goroutines", name, q+1, u.resident/(1<<20), u.heap/(1<<20), u.goroutines)
		}
		before, after := quarter(1, i), quarter(3, i)
		if after.resident > before.resident+moreMemory ||
			after.goroutines > before.goroutines+moreGoroutines {
			t.Errorf("the %s uses more and more", name)
		}
	}
	t.Logf("seed %d: %d operations, %d faults, %d unknown%s", seed, c.load.answered(), faults,
		c.load.unknown, table.String())
}
