package program

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestProcessors(t *testing.T) {
	for _, c := range []struct {
		now  int
		used float64
		most int
		want int
	}{
		{1, 0, 8, 1},
		{1, 0.7, 8, 1},
		{1, 0.8, 8, 2},
		{2, 1.6, 3, 3},
		{2, 0.7, 8, 2}, // what made it two doesn't make it one again
		{2, 0.5, 8, 1},
		{4, 3.9, 64, 8},
		{8, 2.5, 8, 8},
		{8, 2, 8, 4},
		{3, 1, 3, 2},
	} {
		if got := processors(c.now, c.used, c.most); got != c.want {
			t.Errorf("processors(%d, %v, %d) = %d, want %d", c.now, c.used, c.most, got, c.want)
		}
	}
}

// TestProcessorsSettle: whatever the load is, it comes to rest within a second, at a number that is enough for it.
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

// TestFollowLoad: a program that is idle gets one processor, and more while it is busy.
func TestFollowLoad(t *testing.T) {
	if _, ok := processorTime(); !ok {
		t.Skip("what the program uses isn't known here")
	}
	before := runtime.GOMAXPROCS(2)
	defer runtime.GOMAXPROCS(before)
	t.Setenv("GOMAXPROCS", "")
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { FollowLoad(ctx) })
	defer running.Wait()
	defer stop()
	await(t, 1)
	spinning, still := context.WithCancel(ctx)
	defer still()
	running.Go(func() {
		for spinning.Err() == nil { //nolint:revive // it is to be busy
		}
	})
	await(t, 2)
	still()
	await(t, 1)
}

func await(t *testing.T, processors int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); runtime.GOMAXPROCS(0) != processors; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d processors, want %d", runtime.GOMAXPROCS(0), processors)
		}
	}
}
