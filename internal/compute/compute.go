// Package compute keeps long computations from holding up what is short. Go gives a goroutine that
// computes 10 ms before it looks at others that are ready, and looks at the network only where a
// processor (GOMAXPROCS) has nothing else to do. So while all of them compute, each step of a
// request waits, and a request is on the network seven times. Therefore the program has a few more
// processors while there are long computations: the kernel divides the time between them, and lets
// a thread that has waited run at once.
package compute

import (
	"runtime"
	"sync"
	"time"
)

// LongBytes is from what length on the JSON that is parsed counts as long: it takes some 100 µs.
const LongBytes = 16 << 10

// Long runs f, which takes long, once few others do. f must not call Long.
func Long(f func()) { gate().run(func() { lent.run(f) }) }

// Over runs f, which goes over so many bytes: by [Long] if they are many.
func Over(bytes int, f func()) {
	if bytes < LongBytes {
		f()
		return
	}
	Long(f)
}

// AtOnce runs f, which goes over so many bytes, without waiting for others, however many they are.
// It is for who holds what others wait for, such as locked rows.
func AtOnce(bytes int, f func()) {
	if bytes < LongBytes {
		f()
		return
	}
	lent.run(f)
}

// places has an element for each computation of Long that goes on.
type places chan struct{}

func newPlaces(processors int) places { return make(places, max(processors-1, 1)) }

// processors are the program's own. It is first called after the start, when a worker sets them.
var processors = sync.OnceValue(func() int { return runtime.GOMAXPROCS(0) })

var gate = sync.OnceValue(func() places { return newPlaces(processors()) })

func (p places) run(f func()) {
	p <- struct{}{}
	defer func() { <-p }()
	f()
}

const (
	// moreProcessors is how many there are beyond the program's own: for the one or few of Long, and
	// one for each batch that a worker computes with rows locked. Beside a client who sends batches of
	// patches another one waited 40 ms for a write without these, 29 with one, and 14 with four
	// (p99, 2 cores).
	moreProcessors = 4
	// lentFor is how long they stay after the last long computation: a change stops the program for a
	// moment. Without long computations a worker is faster on one processor
	// (internal/program/runtime.go).
	lentFor = time.Second
)

var lent = loan{own: processors, set: func(processors int) { runtime.GOMAXPROCS(processors) }}

// loan has the program use more processors while there are long computations.
type loan struct {
	own func() int
	set func(processors int)

	mu    sync.Mutex
	going int  // long computations
	more  bool // the program is to have more processors than its own
	last  time.Time

	setting sync.Mutex // held while set runs
}

func (l *loan) run(f func()) {
	l.begin()
	defer l.end()
	f()
}

func (l *loan) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.going++
	if !l.more {
		l.more = true
		go l.apply()
		time.AfterFunc(lentFor, l.giveBack)
	}
}

func (l *loan) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.going--
	l.last = time.Now()
}

// giveBack takes the processors away if there was no long computation for lentFor.
func (l *loan) giveBack() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if left := lentFor - time.Since(l.last); l.going > 0 || left > 0 {
		time.AfterFunc(max(left, lentFor/10), l.giveBack)
		return
	}
	l.more = false
	go l.apply()
}

// apply sets the number of processors. It may take long, since Go changes it between two cycles of
// the garbage collector: 80 ms beside 100 MB.
func (l *loan) apply() {
	l.setting.Lock()
	defer l.setting.Unlock()
	l.mu.Lock()
	processors := l.own()
	if l.more {
		processors += moreProcessors
	}
	l.mu.Unlock()
	l.set(processors)
}
