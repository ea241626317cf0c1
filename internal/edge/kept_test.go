package edge_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outset-settings/outset/internal/edge"
)

// TestKept: all who want an answer share one, at the same time and afterwards.
func TestKept(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	begun, finish := make(chan struct{}), make(chan struct{})
	k := edge.Keep(time.Hour, false, func() (int64, error) {
		n := asked.Add(1)
		close(begun)
		<-finish
		return n, nil
	})
	var all sync.WaitGroup
	get := func() {
		if n, err := k.Get(); n != 1 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	for range 100 {
		all.Go(get)
	}
	<-begun
	close(finish)
	all.Wait()
	get()
	if n := asked.Load(); n != 1 {
		t.Errorf("it was asked for %d times", n)
	}
}

// TestKeptErrors: an error is kept only where that is wanted.
func TestKeptErrors(t *testing.T) {
	t.Parallel()
	failure := errors.New("no")
	for keep, want := range map[bool]int{true: 1, false: 3} {
		asked := 0
		k := edge.Keep(time.Hour, keep, func() (int, error) { asked++; return 7, failure })
		for range 3 {
			if v, err := k.Get(); v != 7 || !errors.Is(err, failure) {
				t.Errorf("%d, %v", v, err)
			}
		}
		if asked != want {
			t.Errorf("errors are kept: %v, and it was asked for %d times", keep, asked)
		}
	}
}

// TestKeptEnds: an old answer is asked for again.
func TestKeptEnds(t *testing.T) {
	t.Parallel()
	asked := 0
	k := edge.Keep(0, true, func() (int, error) { asked++; return asked, nil })
	for want := 1; want < 4; want++ {
		if n, err := k.Get(); n != want || err != nil {
			t.Errorf("%d, %v, want %d", n, err, want)
		}
	}
}
