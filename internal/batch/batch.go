// Package batch puts concurrent calls together, so that what a trip costs (a
// NATS message, a Postgres round trip) is paid once a batch and not once a call.
//
// A [Batcher] has a few lanes; a lane carries one batch at a time. A call that
// finds a free lane leaves at once, so an idle system adds no latency and no timer
// runs. Calls that arrive while every lane is busy wait in one bounded queue and
// leave together, in order of arrival, as soon as a lane is free: the busier it
// is, the bigger the batches and the cheaper each call.
package batch

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Why a call was not taken, or left before its turn. In each case it has not run
// and will not.
var (
	ErrFull      = errors.New("batch: the queue is full")
	ErrClosed    = errors.New("batch: closed")
	ErrWithdrawn = errors.New("batch: the call's context ended while it was queued")
)

// Size is what a call takes up in a batch and in the queue.
type Size struct{ Count, Bytes int }

func (s Size) plus(o Size) Size   { return Size{s.Count + o.Count, s.Bytes + o.Bytes} }
func (s Size) minus(o Size) Size  { return Size{s.Count - o.Count, s.Bytes - o.Bytes} }
func (s Size) within(l Size) bool { return s.Count <= l.Count && s.Bytes <= l.Bytes }

// Options are the bounds of a [Batcher]. Every field but Patience and MaxLate is required.
type Options[C any] struct {
	Lanes int          // batches under way at once
	Batch Size         // bound of one batch; a call that is larger travels alone
	Queue Size         // bound of all calls that wait
	Of    func(C) Size // the size of a call

	// Patience is how long a batch holds its lane. One that takes longer goes on,
	// but another may leave beside it, so that a peer that has died does not stop
	// those behind it. Zero: a lane is held to the end.
	Patience time.Duration
	// MaxLate bounds the batches that are under way beyond the lanes.
	MaxLate int
}

// Batcher collects calls of type C and answers each with an R. Its methods are
// safe for concurrent use.
type Batcher[C, R any] struct {
	run     func(context.Context, []C) []R
	options Options[C]
	ctx     context.Context // of every run; ends when Close loses its patience
	cancel  context.CancelFunc

	mu     sync.Mutex
	queue  []*call[C, R]
	queued Size
	lanes  int
	busy   int // lanes in use
	late   int // batches that have outlived Patience and no longer count as busy
	closed bool
	idle   chan struct{} // closed when closed and nothing is queued or under way
}

type call[C, R any] struct {
	value C
	size  Size
	done  func(R, error)
}

// New returns a Batcher whose lanes hand their batches to run. The result that
// run returns at index i answers the call at index i; there must be one for each.
// The context that run gets has the values of ctx and outlives its
// cancellation: it ends only when the context given to Close does.
func New[C, R any](ctx context.Context, options Options[C], run func(context.Context, []C) []R) *Batcher[C, R] {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) //nolint:gosec // Close calls it
	return &Batcher[C, R]{
		run: run, options: options, ctx: ctx, cancel: cancel,
		lanes: max(options.Lanes, 1), idle: make(chan struct{}),
	}
}

// Do runs the call in a batch and returns its result. When ctx ends first, Do
// returns [ErrWithdrawn] if the call had not left yet (it never will), else the
// context's error (it has run or is running, and its result is lost).
func (b *Batcher[C, R]) Do(ctx context.Context, value C) (R, error) {
	type answer struct {
		result R
		err    error
	}
	answers := make(chan answer, 1)
	c := b.newCall(value, func(r R, err error) { answers <- answer{r, err} })
	var none R
	if err := b.submit(c); err != nil {
		return none, err
	}
	select {
	case a := <-answers:
		return a.result, a.err
	case <-ctx.Done():
		if b.withdraw(c) {
			return none, ErrWithdrawn
		}
		return none, context.Cause(ctx)
	}
}

// Go queues the call and returns. When it returns nil, done is called exactly once,
// on a lane's goroutine, so it must not block: with the result, or with
// [ErrClosed] when Close gave up before the call's turn.
func (b *Batcher[C, R]) Go(value C, done func(R, error)) error {
	return b.submit(b.newCall(value, done))
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
	b.cancel()
	b.mu.Lock()
	given := b.queue
	b.queue, b.queued = nil, Size{}
	b.finishIfIdle()
	b.mu.Unlock()
	for _, c := range given {
		var none R
		c.done(none, ErrClosed)
	}
	<-b.idle
	return context.Cause(ctx)
}

func (b *Batcher[C, R]) newCall(value C, done func(R, error)) *call[C, R] {
	return &call[C, R]{value: value, size: b.options.Of(value), done: done}
}

func (b *Batcher[C, R]) submit(c *call[C, R]) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return ErrClosed
	}
	// An empty queue takes any call, or one larger than the bound could never pass.
	queued := b.queued.plus(c.size)
	if len(b.queue) > 0 && !queued.within(b.options.Queue) {
		return ErrFull
	}
	b.queue = append(b.queue, c)
	b.queued = queued
	b.dispatch()
	return nil
}

// withdraw takes a call back and tells whether it was still queued.
func (b *Batcher[C, R]) withdraw(c *call[C, R]) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, q := range b.queue {
		if q == c {
			b.queue = append(b.queue[:i], b.queue[i+1:]...)
			b.queued = b.queued.minus(c.size)
			b.finishIfIdle()
			return true
		}
	}
	return false
}

// dispatch opens a lane if one is free and wanted. The lane takes what is queued
// by the time it gets to run, and stays open until nothing is.
func (b *Batcher[C, R]) dispatch() {
	if len(b.queue) > 0 && b.busy < b.lanes {
		b.busy++
		go b.lane()
	}
}

// lane carries one batch after the other until the queue is empty, there are
// fewer lanes than there were, or it has been late.
func (b *Batcher[C, R]) lane() {
	for {
		b.mu.Lock()
		if len(b.queue) == 0 || b.busy > b.lanes {
			b.busy--
			b.finishIfIdle()
			b.mu.Unlock()
			return
		}
		calls := b.take()
		b.dispatch() // what did not fit in this batch
		b.mu.Unlock()

		if stillMine := b.carry(calls); !stillMine {
			return
		}
	}
}

// take removes the next batch from the queue: as many calls as fit, one at least.
func (b *Batcher[C, R]) take() []*call[C, R] {
	var size Size
	n := 0
	for _, c := range b.queue {
		next := size.plus(c.size)
		if n > 0 && !next.within(b.options.Batch) {
			break
		}
		size = next
		n++
	}
	calls := b.queue[:n:n]
	b.queue = b.queue[n:]
	b.queued = b.queued.minus(size)
	return calls
}

// carry runs one batch, answers its calls, and tells whether the lane is still this
// goroutine's: a batch that outlives the patience gives its lane away.
func (b *Batcher[C, R]) carry(calls []*call[C, R]) (stillMine bool) {
	gaveAway := false // guarded by b.mu
	if b.options.Patience > 0 {
		timer := time.AfterFunc(b.options.Patience, func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			if calls != nil && b.late < b.options.MaxLate {
				gaveAway = true
				b.late++
				b.busy--
				b.dispatch()
			}
		})
		defer timer.Stop()
	}

	values := make([]C, len(calls))
	for i, c := range calls {
		values[i] = c.value
	}
	results := b.run(b.ctx, values)
	if len(results) != len(calls) {
		panic(fmt.Sprintf("batch: run returned %d results for %d calls", len(results), len(calls)))
	}
	for i, c := range calls {
		c.done(results[i], nil)
	}

	b.mu.Lock()
	defer b.mu.Unlock()
	calls = nil // from here on the timer does nothing
	if gaveAway {
		b.late--
		b.finishIfIdle()
	}
	return !gaveAway
}

func (b *Batcher[C, R]) finishIfIdle() {
	if !b.closed || len(b.queue) > 0 || b.busy > 0 || b.late > 0 {
		return
	}
	select {
	case <-b.idle:
	default:
		close(b.idle)
	}
}
