package program

import (
	"context"
	"os"
	"runtime"
	"time"
)

// How often it is looked how busy the program is, and when that changes the number of its
// processors. In between it stays as it is, so that it does not go to and fro. The first is below a
// half, so that a program grows which shares each core with another and could use more; one
// connection makes the API use a quarter of a processor.
const (
	lookEvery = 100 * time.Millisecond
	busy      = 0.45 // of its processors in use: it gets twice as many
	quiet     = 0.4  // of half of its processors in use: it gives the other half back
)

// FollowLoad gives the program's Go code as many processors as it uses, from one to as many as
// there were, until ctx ends. It does nothing where GOMAXPROCS in the environment says how many, or
// where it isn't known what the program uses (Windows).
//
// Whatever makes a goroutine ready while a processor is idle also wakes a thread for it, and to
// wake a thread on an idle core costs more than most goroutines have to do; on one processor none
// is woken. With one connection p50 of a read was 0.32 ms and not 0.43, and of a replacement 0.95
// and not 1.15; with 64 and 256 connections there was no difference beyond the noise, if any a few
// per cent less (2 cores, medians of 4 rounds).
//
// Afterwards Go no longer follows changes of a container's limits by itself: the most is what there
// was at the start.
func FollowLoad(ctx context.Context) {
	if _, ok := processorTime(); ok && os.Getenv("GOMAXPROCS") == "" {
		followLoad(ctx, processorTime)
	}
}

func followLoad(ctx context.Context, processorTime func() (used time.Duration, ok bool)) {
	most := runtime.GOMAXPROCS(0)
	if most == 1 {
		return
	}
	defer runtime.GOMAXPROCS(most)
	current := 1
	runtime.GOMAXPROCS(current)
	before, _ := processorTime()
	began := time.Now()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		used, _ := processorTime()
		now := time.Now()
		next := processors(current, float64(used-before)/float64(now.Sub(began)), most)
		before, began = used, now
		// that waits for the end of a garbage collection and stops the world for a moment
		if next != current {
			current = next
			runtime.GOMAXPROCS(current)
		}
	}
}

// processors is how many of most a program shall have that has some now and used so much of one.
func processors(current int, used float64, most int) int {
	half := (current + 1) / 2
	switch {
	case used > busy*float64(current):
		return min(2*current, most)
	case used < quiet*float64(half):
		return half
	}
	return current
}
