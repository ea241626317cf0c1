package batch

import (
	"sync/atomic"
	"time"
)

// call is a value on its way through the batcher, and its result.
type call[C, R any] struct {
	value     C
	principal uint64
	key       string // "": none
	number    uint64 // in the order of arrival
	size      Size
	expected  time.Duration // what it costs by Options.Of; size.Cost is what the principal's cost
	flow      *flow[C, R]   // of its principal, once it is queued
	taken     bool          // from the queue; guarded by the batcher's lock
	arrived   time.Time
	claimed   atomic.Bool
	done      func(C, R, error) // of Go; Do has the rest
	result    R
	err       error
	ready     chan struct{} // has an element when result and err are there
}

// claim tells whether the caller is the one who answers the call: the first to claim it.
func (c *call[C, R]) claim() bool { return c.claimed.CompareAndSwap(false, true) }

// answer ends the call. Only who has claimed it may.
func (c *call[C, R]) answer(r R, err error) {
	if c.done != nil {
		c.done(c.value, r, err)
		return
	}
	c.result, c.err = r, err
	c.ready <- struct{}{}
}

// reset makes a call of Do usable for another, and drops what it held, which may be large.
func (c *call[C, R]) reset() {
	var (
		value C
		none  R
	)
	c.value, c.result, c.err, c.taken, c.flow = value, none, nil, false, nil
	c.claimed.Store(false)
}

// refuse answers calls that nobody else answers: they were claimed, or removed from the queue.
func refuse[C, R any](calls []*call[C, R], why error) {
	for _, c := range calls {
		var none R
		c.answer(none, why)
	}
}
