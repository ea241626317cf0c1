// Package batch puts concurrent calls together, so that what a trip costs (a
// NATS message, a Postgres round trip) is paid once a batch and not once a call.
//
// A [Batcher] has a few lanes; a lane carries one batch at a time. A call that
// finds all lanes free leaves at once, so an idle system adds no latency. Calls that
// arrive while lanes are busy wait in one bounded queue and leave together, in order of arrival,
// as soon as a lane comes back, or as soon as they are enough for a free one to carry about
// as much as the others: the busier it is, the bigger the batches and the cheaper each call.
package batch

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Why a call was not taken, or left before its turn. In each case but the last it has not run
// and will not.
var (
	ErrFull    = errors.New("batch: the queue is full")
	ErrClosed  = errors.New("batch: closed")
	ErrExpired = errors.New("batch: the call's time ran out while it was queued")
	ErrLost    = errors.New("batch: the call's time ran out while it was under way")
)

// Size is what a call takes up in a batch and in the queue.
type Size struct{ Count, Bytes int }

func (s Size) plus(o Size) Size   { return Size{s.Count + o.Count, s.Bytes + o.Bytes} }
func (s Size) minus(o Size) Size  { return Size{s.Count - o.Count, s.Bytes - o.Bytes} }
func (s Size) within(l Size) bool { return s.Count <= l.Count && s.Bytes <= l.Bytes }

// Options are the bounds of a [Batcher]. Those after SlowAfter may be left out.
type Options[C any] struct {
	Lanes int          // batches under way at once
	Batch Size         // bound of one batch; a call that is larger travels alone
	Queue Size         // bound of all calls that wait
	Of    func(C) Size // the size of a call

	// SlowAfter is when a batch under way is slow: calls that wait for its lane leave on lanes that
	// are free, even if they are few. It is also how often this and the following are checked.
	SlowAfter time.Duration
	// ReleaseAfter is when a batch under way gives its lane to the next, so that a peer that has
	// died does not stop those behind it. The batch itself goes on.
	ReleaseAfter time.Duration
	// MaxReleased bounds the batches that go on so, beyond the lanes. Zero: a batch holds its lane
	// to the end.
	MaxReleased int
	// Until is when a call that waits is given up, with [ErrExpired]. A call under way is given up
	// with [ErrLost] after a grace period of ReleaseAfter, so that run can report first. Nil:
	// never.
	Until func(C) time.Time
}

// Batcher collects calls of type C and answers each with an R. Its methods are
// safe for concurrent use.
type Batcher[C, R any] struct {
	run     func(context.Context, []C) []R
	options Options[C]
	ctx     context.Context // of every run; ends when the context of Close does
	cancel  context.CancelFunc
	calls   sync.Pool // of Do

	mu        sync.Mutex
	waiting   waiting[C, R]
	lanes     int             // that may be open
	busy      int             // that are open
	flights   []*flight[C, R] // the batches under way
	lastBatch int             // calls in the batch that was made last
	checking  bool            // a check is scheduled
	closed    bool
	idle      chan struct{} // closed when closed and nothing waits or is under way
}

// New returns a Batcher whose lanes hand their batches to run. The result that
// run returns at index i answers the call at index i; there must be one for each.
// The context that run gets has the values of ctx and outlives its
// cancellation: it ends only when the context given to Close does.
func New[C, R any](ctx context.Context, options Options[C],
	run func(context.Context, []C) []R,
) *Batcher[C, R] {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) //nolint:gosec // Close calls it
	return &Batcher[C, R]{
		run: run, options: options, ctx: ctx, cancel: cancel,
		lanes: max(options.Lanes, 1), idle: make(chan struct{}),
		calls: sync.Pool{New: func() any { return &call[C, R]{ready: make(chan struct{}, 1)} }},
	}
}

// Do runs the call in a batch and returns its result, or one of the errors above. Options.Until and
// run bound how long that takes.
//
// A caller who opens a lane carries the batch itself, until run returns. Handing it to another
// goroutine and being woken again would cost an idle system more than all the rest of the batcher.
func (b *Batcher[C, R]) Do(value C) (R, error) {
	c, _ := b.calls.Get().(*call[C, R])
	c.value, c.size = value, b.options.Of(value)
	opened, err := b.submit(c)
	if err != nil {
		var none R
		return none, err
	}
	if opened {
		b.lane(c)
	}
	<-c.ready
	result, err := c.result, c.err
	if !errors.Is(err, ErrLost) { // else a lane still has it
		c.reset()
		b.calls.Put(c)
	}
	return result, err
}

// Go queues the call and returns. When it returns nil, done is called exactly once,
// on a lane's goroutine, so it must not block: with the result, or with
// [ErrClosed] when Close gave up before the call's turn, [ErrExpired] or [ErrLost].
func (b *Batcher[C, R]) Go(value C, done func(R, error)) error {
	opened, err := b.submit(&call[C, R]{value: value, size: b.options.Of(value), done: done})
	if opened {
		go b.lane(nil)
	}
	return err
}

// SetLanes changes the number of lanes. Batches under way are not disturbed.
func (b *Batcher[C, R]) SetLanes(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lanes = max(n, 1)
	b.dispatch()
}

// Close refuses new calls, runs what is queued, and returns when every call has been
// answered. When ctx ends first, runs under way are cancelled, calls that
// still wait are answered with [ErrClosed], and Close returns the context's
// error after the last run has returned.
func (b *Batcher[C, R]) Close(ctx context.Context) error {
	b.mu.Lock()
	b.closed = true
	b.finishIfIdle()
	b.mu.Unlock()

	defer b.cancel()
	select {
	case <-b.idle:
		return nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	calls := b.waiting.removeAll()
	b.finishIfIdle()
	b.mu.Unlock()
	b.cancel() // from here on a lane that comes back finds nothing to carry
	refuse(calls, ErrClosed)
	<-b.idle
	return context.Cause(ctx)
}
