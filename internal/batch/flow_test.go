package batch

import (
	"testing"
	"time"
)

// TestLearns: what calls cost is learnt within dozens of them, and forgotten as soon, but not for a
// single one.
func TestLearns(t *testing.T) {
	t.Parallel()
	const dear, expected = 14 * time.Millisecond, 20 * time.Microsecond
	f := &flow[int, int]{}
	ends := func(n int, took time.Duration) {
		for range n {
			f.charge(&fare[int, int]{expected: expected, paid: expected, took: took})
		}
	}
	ends(1000, 0)
	ends(1, time.Second)
	if f.excess > leastExcess {
		t.Errorf("one call that took a second: %v", f.excess)
	}
	ends(40, dear)
	if f.excess < dear/2 || f.excess > 2*dear {
		t.Errorf("40 calls of %v: %v", dear, f.excess)
	}
	ends(40, 0)
	if f.excess > 0 {
		t.Errorf("40 cheap calls later: %v", f.excess)
	}
	if f.credit < -maxDebt {
		t.Errorf("it owes %v", -f.credit)
	}
}
