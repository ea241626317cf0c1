package program

import (
	"os"
	"runtime"
	"runtime/debug"
)

// gcMemory is the total, in bytes, from which on the garbage collector runs as often as it must.
const gcMemory = 512 << 20

// LazyGC makes the garbage collector wait until the heap has grown by percent, unless GOGC in the
// environment says otherwise. Our programs keep little and allocate much: with Go's default of 100
// they collect a heap of a few MiB again and again. With 400 in the worker and 200 in the API a
// replacement took the worker 28 µs instead of 48, and there were 1.23 times as many as of a
// program without a queue, not 1.08 (256 connections, 2 cores, medians of 4 rounds); the worker
// grew from 23 to 35 MiB, the API from 38 to 49.
func LazyGC(percent int) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(gcMemory)
	}
}

// OneProcessor runs the program's Go code on one processor at a time, unless GOMAXPROCS in the
// environment says otherwise. It is for the worker, whose goroutines hand batches to one another:
// on one processor that wakes no thread. A replacement took 6.5 µs of it instead of 7.7, and 16
// workers on a far database did 0.91 times the linear, not 0.87 (2 cores, medians). The API keeps
// Go's default: on one processor a single connection is served faster (reads .43 → .32 ms), but
// many need more than one, and following the load cost 256 connections what it gave one.
func OneProcessor() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(1)
	}
}
