//go:build failpoint

package failpoint

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func TestParse(t *testing.T) {
	t.Parallel()
	got, err := parse("worker/reply-lost=2,a=1,b=30%")
	if err != nil || len(got) != 3 || got["worker/reply-lost"].left.Load() != 2 ||
		got["a"].left.Load() != 1 || got["b"].percent != 30 {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := parse(""); err != nil || len(got) != 0 {
		t.Errorf("nothing: %v, %v", got, err)
	}
	for _, text := range []string{
		"worker/reply-lost", "a=", "=1", "a=0", "a=-1", "a=x", "a=1.5", "a=1,", ",a=1", "a=1;b=1",
		"a=1,a=2", "a=1=2", "a=9999999999", "a=0%", "a=101%", "a=%",
	} {
		if got, err := parse(text); err == nil || !strings.Contains(err.Error(), Variable) {
			t.Errorf("%q: %v, %v; want an error that names the variable", text, got, err)
		}
	}
}

func TestMust(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("what can't be understood does not stop the program")
		}
	}()
	must(parse("nonsense"))
}

// TestHit: as often as was said, however many ask at once, and never under another name.
func TestHit(t *testing.T) {
	const times = 100
	before := points
	points = must(parse("here=100"))
	defer func() { points = before }()
	var (
		hits atomic.Int64
		all  sync.WaitGroup
	)
	for range 10 {
		all.Go(func() {
			for range times {
				if Hit("here") {
					hits.Add(1)
				}
				if Hit("elsewhere") {
					t.Error("hit where nothing was to be")
				}
			}
		})
	}
	all.Wait()
	if hits.Load() != times {
		t.Errorf("%d hits, want %d", hits.Load(), times)
	}
}

// TestHitAtRandom: about as often as was said.
func TestHitAtRandom(t *testing.T) {
	before := points
	points = must(parse("here=25%"))
	defer func() { points = before }()
	hits := 0
	for range 10_000 {
		if Hit("here") {
			hits++
		}
	}
	if hits < 2000 || hits > 3000 { // 11 standard deviations
		t.Errorf("%d hits of 10,000, want about 2,500", hits)
	}
}
