package program

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestProcessors(t *testing.T) {
	for _, c := range []struct {
		current int
		used    float64
		most    int
		want    int
	}{
		{1, 0, 8, 1},
		{1, 0.44, 8, 1},
		{1, 0.46, 8, 2},
		{2, 1, 3, 3},
		{2, 0.42, 8, 2}, // between the two it stays
		{2, 0.38, 8, 1},
		{4, 2, 64, 8}, // half of a core each is all that it gets of a busy machine
		{8, 1.7, 8, 8},
		{8, 1.5, 8, 4},
		{3, 0.7, 3, 2},
	} {
		if got := processors(c.current, c.used, c.most); got != c.want {
			t.Errorf("processors(%d, %v, %d) = %d, want %d", c.current, c.used, c.most, got, c.want)
		}
	}
}

// TestProcessorsSettle: whatever the load is, it comes to rest within a second, at a number that is
// enough for it.
func TestProcessorsSettle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(1, 256).Draw(t, "most")
		now := rapid.IntRange(1, most).Draw(t, "now")
		load := rapid.Float64Range(0, 300).Draw(t, "load")
		next := 0
		for range 10 {
			next = processors(now, min(load, float64(now)), most)
			if next < 1 || next > most {
				t.Fatalf("%d processors of %d", next, most)
			}
			now, next = next, now
		}
		if now != next {
			t.Errorf("it goes from %d to %d and back", next, now)
		}
		if now < most && load > float64(now) {
			t.Errorf("%d processors of %d for a load of %v", now, most, load)
		}
	})
}

// TestFollowLoad: a program that is idle gets one processor, and more while it is busy; in the end
// all are back.
func TestFollowLoad(t *testing.T) {
	before := runtime.GOMAXPROCS(4)
	defer runtime.GOMAXPROCS(before)
	var load atomic.Int64 // in hundredths of a processor
	began, last, used := time.Now(), time.Duration(0), time.Duration(0)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		followLoad(ctx, func() (time.Duration, bool) {
			now := time.Since(began)
			used += (now - last) * time.Duration(load.Load()) / 100
			last = now
			return used, true
		})
	})
	for _, c := range []struct{ load, processors int }{{0, 1}, {300, 4}, {50, 2}, {0, 1}, {60, 2}} {
		load.Store(int64(c.load))
		awaitProcessors(t, c.processors)
	}
	stop()
	running.Wait()
	awaitProcessors(t, 4)
}

// TestFollowLoadLeaves: what GOMAXPROCS in the environment says is left alone.
func TestFollowLoadLeaves(t *testing.T) {
	before := runtime.GOMAXPROCS(3)
	defer runtime.GOMAXPROCS(before)
	t.Setenv("GOMAXPROCS", "3")
	FollowLoad(t.Context()) // returns at once
	if got := runtime.GOMAXPROCS(0); got != 3 {
		t.Errorf("%d processors", got)
	}
}

// TestProcessorTime: what a program computes is counted.
func TestProcessorTime(t *testing.T) {
	before, ok := processorTime()
	if !ok {
		t.Skip("it isn't known here")
	}
	eventually(t, "time used", func() bool {
		used, _ := processorTime()
		return used > before
	})
}

func awaitProcessors(t *testing.T, want int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d processors", want), func() bool {
		return runtime.GOMAXPROCS(0) == want
	})
}
