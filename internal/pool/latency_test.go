package pool_test

import (
	"testing"
	"time"

	"github.com/outset-settings/outset/internal/pool"
)

// TestLatencies: quantiles are off by a fifth at most, from a tenth of a millisecond to what a
// request waits at most, and what was before doesn't count.
func TestLatencies(t *testing.T) {
	t.Parallel()
	before := counted(time.Hour, time.Hour, -time.Second, 0)
	if _, found := before.Since(before).Quantile(.5); found {
		t.Error("a median of nothing")
	}
	for took := 120 * time.Microsecond; took < 13*time.Second; took += took / 7 {
		counts := before.Plus(counted(took, took, took))
		for _, q := range []float64{.5, .99, 1} {
			got, found := counts.Since(before).Quantile(q)
			if off := float64(got)/float64(took) - 1; !found || off < -.2 || off > .2 {
				t.Errorf("the quantile %v of %v is %v", q, took, got)
			}
		}
	}
	two := counted(time.Millisecond, time.Millisecond, time.Millisecond, time.Second)
	if half, _ := two.Quantile(.5); half > 2*time.Millisecond {
		t.Errorf("three of four took a millisecond, and the median is %v", half)
	}
	if most, _ := two.Quantile(.99); most < 800*time.Millisecond {
		t.Errorf("one of four took a second, and the 99th percentile is %v", most)
	}
}

// counted counts operations that took so long.
func counted(took ...time.Duration) pool.Latencies {
	var c pool.LatencyCounter
	for _, d := range took {
		c.Add(d, 1)
	}
	return c.Load()
}
