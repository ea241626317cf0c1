// Package compute keeps a processor free for what is short. Go gives a goroutine that computes 10 ms
// before it looks at others that are ready, and a request passes a dozen goroutines on its way: with
// as many long computations as processors each of these steps waits. So long ones wait for one
// another instead.
package compute

import "runtime"

// LongBytes is from what length on the JSON that is parsed counts as long: it takes some 100 µs.
const LongBytes = 16 << 10

// places has an element for each long computation that goes on. One processor is left to all else.
var places = make(chan struct{}, max(runtime.GOMAXPROCS(0)-1, 1))

// Long runs f, which takes long, once others have made room for it. f must not call Long.
func Long(f func()) {
	places <- struct{}{}
	defer func() { <-places }()
	f()
}

// Over runs f, which goes over so many bytes: by [Long] if they are many.
func Over(bytes int, f func()) {
	if bytes < LongBytes {
		f()
		return
	}
	Long(f)
}
