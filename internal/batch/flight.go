package batch

import (
	"fmt"
	"sync"
	"time"
)

// Flight is a batch under way.
type Flight[C, R any] struct {
	// Calls are what it carries. The function that carries it may read them until it returns, but
	// not those that it has answered.
	Calls []C

	batcher *Batcher[C, R]
	size    Size
	bulk    *flow[C, R] // whose it mostly is; nil: nobody's (bulk.go)
	dear    bool        // it is bulk of dear calls
	full    bool        // calls were left that it had no room for
	began   time.Time

	// Guarded by the batcher's lock.
	slow     bool // its lane is not expected back soon
	released bool // it holds no lane any more

	mu    sync.Mutex // after the batcher's lock, if both are held
	seats []seat[C, R]
	left  int       // calls without an answer
	heard time.Time // when there was last a sign that it goes on
}

// seat is a call of a flight. A call that has been answered may be another caller's by now, so it
// is here only until then.
type seat[C, R any] struct {
	call   *call[C, R]
	fare   fare[C, R]
	waited time.Duration
}

// fare is what a call costs the principal.
type fare[C, R any] struct {
	flow     *flow[C, R]
	expected time.Duration // by Options.Of
	paid     time.Duration // when it was taken
	took     time.Duration // by Options.Took; 0: as expected
}

// newFlight returns a flight of these calls.
func newFlight[C, R any](b *Batcher[C, R], calls []*call[C, R]) *Flight[C, R] {
	now := time.Now()
	f := &Flight[C, R]{
		Calls: make([]C, len(calls)), batcher: b, began: now, heard: now,
		seats: make([]seat[C, R], len(calls)), left: len(calls),
	}
	for i, c := range calls {
		f.Calls[i] = c.value
		f.seats[i] = seat[C, R]{
			call: c, fare: fare[C, R]{flow: c.flow, expected: c.expected, paid: c.size.Cost},
			waited: now.Sub(c.arrived),
		}
		f.size = f.size.plus(c.size)
	}
	f.bulk, f.dear = bulkOf(f.seats)
	return f
}

// Waited is how long the call at index i had waited when the flight began.
func (f *Flight[C, R]) Waited(i int) time.Duration { return f.seats[i].waited }

// Answer gives the call at index i its result, at once. Every call must be answered, once, before
// the function that carries the flight returns.
func (f *Flight[C, R]) Answer(i int, r R) {
	f.mu.Lock()
	s := &f.seats[i]
	c := s.call
	s.call = nil
	if took := f.batcher.options.Took; took != nil {
		s.fare.took = took(r)
	}
	if c != nil {
		f.left--
	}
	f.mu.Unlock()
	if c == nil {
		panic(fmt.Sprintf("batch: the call at index %d was answered twice", i))
	}
	if key := f.batcher.options.Key; key != nil {
		f.batcher.arrived(key(f.Calls[i]))
	}
	if c.claim() { // else it was given up
		c.answer(r, nil)
	}
}

// has tells whether this call is all that the flight has.
func (f *Flight[C, R]) has(c *call[C, R]) bool { return len(f.seats) == 1 && f.seats[0].call == c }

// Alive says that the flight goes on: it keeps its lane, however long it takes, unless only a few
// of its calls are left (Options.MaxStuck).
func (f *Flight[C, R]) Alive() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.heard = time.Now()
}

// state is how many calls have no answer, and how long there has been no sign of the flight.
func (f *Flight[C, R]) state(now time.Time) (left int, silence time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.left, now.Sub(f.heard)
}

// claimLost claims the calls whose time ran out before this moment.
func (f *Flight[C, R]) claimLost(until func(C) time.Time, before time.Time) (lost []*call[C, R]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.seats {
		if s.call != nil && before.After(until(s.call.value)) && s.call.claim() {
			lost = append(lost, s.call)
		}
	}
	return lost
}
