package access_test

import (
	"testing"
	"time"

	"github.com/outset-settings/outset/internal/access"
)

// TestPace: what is beyond a second's worth waits for its turn, though not for ever; others are not
// concerned, and afterwards nobody owes more than the longest wait.
func TestPace(t *testing.T) {
	t.Parallel()
	const longest = 500 * time.Millisecond
	p := access.NewPace(1000, longest)
	now := time.Now()
	for n := range 10 {
		if d := p.Delay("ann", 100, now); d != 0 {
			t.Fatalf("%d of a second's worth waits %v", n, d)
		}
	}
	for n := range 5 {
		if d, want := p.Delay("ann", 100, now), time.Duration(n+1)*longest/5; d != want {
			t.Errorf("%d beyond it waits %v, not %v", n, d, want)
		}
	}
	for range 1000 {
		p.Delay("ann", -1_000_000, now) // gives nothing back
		if d := p.Delay("ann", 100, now); d != longest {
			t.Fatalf("one of many waits %v", d)
		}
	}
	if d := p.Delay("bob", 100, now); d != 0 {
		t.Errorf("another one waits %v", d)
	}
	if d := p.Delay("bob", 1_000_000, now); d > longest {
		t.Errorf("more than a second's worth waits %v", d)
	}
	if d := p.Delay("ann", 100, now.Add(longest+time.Second)); d != 0 {
		t.Errorf("when all has been made up for one waits %v", d)
	}
}
