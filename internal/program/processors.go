package program

import (
	"context"
	"os"
	"runtime"
	"time"
)

// How often it is looked how busy the program is, and when that changes the number of its processors. In between it stays
// as it is, so that it does not go to and fro.
const (
	lookEvery = 100 * time.Millisecond
	busy      = 0.75 // of its processors in use: it gets twice as many
	quiet     = 0.6  // of half of its processors in use: it gives the other half back
)

// FollowLoad gives the program's Go code the processors that it uses, from one to as many as there are, until ctx ends or for good when
// GOMAXPROCS in the environment says how many. Whatever wakes a goroutine while a processor is idle also wakes a thread for
// it, and to wake a thread on an idle core costs more than most goroutines have to do. On one processor none is woken. With one
// connection half of a read's time went there: p50 was 1.91 times that of a program without a queue, and 2.59 times on
// two processors (2 cores, medians of 7 rounds); with 64 and 256 connections there was no difference.
func FollowLoad(ctx context.Context) {
	most := runtime.GOMAXPROCS(0)
	last, ok := processorTime()
	if os.Getenv("GOMAXPROCS") != "" || most == 1 || !ok {
		return
	}
	now := 1
	runtime.GOMAXPROCS(now)
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
		next := processors(now, float64(used-last)/float64(time.Since(began)), most)
		if next != now { // that stops the world, for some microseconds
			now = next
			runtime.GOMAXPROCS(now)
		}
		last, began = used, time.Now()
	}
}

// processors is how many of most a program shall have that has some now and used so much of one.
func processors(now int, used float64, most int) int {
	half := (now + 1) / 2
	switch {
	case used > busy*float64(now):
		return min(2*now, most)
	case used < quiet*float64(half):
		return half
	}
	return now
}
