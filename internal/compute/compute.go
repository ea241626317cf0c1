// Package compute keeps long computations from being many at once. Go gives a goroutine that
// computes 10 ms before it looks at others that are ready, and a request passes a dozen goroutines
// on its way: with as many long computations as processors each of these steps waits. So long ones
// wait for one another, and leave a processor to what is short, or its turns if there is only one.
package compute

import (
	"runtime"
	"sync"
)

// LongBytes is from what length on the JSON that is parsed counts as long: it takes some 100 µs.
const LongBytes = 16 << 10

// gate has an element for each long computation that goes on.
type gate chan struct{}

func newGate(processors int) gate { return make(gate, max(processors-1, 1)) }

// processors is made when it is first used: the worker sets GOMAXPROCS as it starts.
var processors = sync.OnceValue(func() gate { return newGate(runtime.GOMAXPROCS(0)) })

// Long runs f, which takes long, once others have made room for it. f must not call Long.
func Long(f func()) { processors().run(f) }

// Over runs f, which goes over so many bytes: by [Long] if they are many.
func Over(bytes int, f func()) {
	if bytes < LongBytes {
		f()
		return
	}
	Long(f)
}

func (g gate) run(f func()) {
	g <- struct{}{}
	defer func() { <-g }()
	f()
}
