package batch

import "sync/atomic"

// call is what a caller wants, on its way through the batcher.
type call[C, R any] struct {
	value   C
	size    Size
	left    bool // the queue; guarded by the batcher's lock
	claimed atomic.Bool
	done    func(R, error) // of Go
	result  R              // of Do, and
	err     error          // there when
	ready   chan struct{}  // has one
}

// claim tells whether it is the caller's to answer the call: it is the first to ask.
func (c *call[C, R]) claim() bool { return c.claimed.CompareAndSwap(false, true) }

// answer ends the call. Only who has claimed it may.
func (c *call[C, R]) answer(r R, err error) {
	if c.done != nil {
		c.done(r, err)
		return
	}
	c.result, c.err = r, err
	c.ready <- struct{}{}
}

// reset makes a call of Do fit for another. What it held may be large.
func (c *call[C, R]) reset() {
	var (
		value C
		none  R
	)
	c.value, c.result, c.err, c.left = value, none, nil, false
	c.claimed.Store(false)
}

// refuse answers calls that nobody else can claim: they have been claimed, or taken from the queue.
func refuse[C, R any](calls []*call[C, R], why error) {
	for _, c := range calls {
		var none R
		c.answer(none, why)
	}
}
