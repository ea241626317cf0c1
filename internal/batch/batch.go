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
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
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

// Options are the bounds of a [Batcher]. The fields from Patience on may be left out.
type Options[C any] struct {
	Lanes int          // batches under way at once
	Batch Size         // bound of one batch; a call that is larger travels alone
	Queue Size         // bound of all calls that wait
	Of    func(C) Size // the size of a call

	// Patience is how long a batch holds its lane, and up to a quarter more. One that takes longer goes on,
	// but another may leave beside it, so that a peer that has died does not stop
	// those behind it. Zero: a lane is held to the end.
	Patience time.Duration
	// MaxLate bounds the batches that are under way beyond the lanes.
	MaxLate int
	// Until is when a call that still waits is given up, with [ErrExpired]. One that is under way then is given up
	// with [ErrLost], Patience later: run knows better what became of it. Both are noticed up to a quarter
	// of Patience late, which must not be zero. Nil: never.
	Until func(C) time.Time
}

// Batcher collects calls of type C and answers each with an R. Its methods are
// safe for concurrent use.
type Batcher[C, R any] struct {
	run     func(context.Context, []C) []R
	options Options[C]
	ctx     context.Context // of every run; ends when Close loses its patience
	cancel  context.CancelFunc
	calls   sync.Pool // of Do

	mu       sync.Mutex
	queue    []*call[C, R]
	queued   Size
	lanes    int
	busy     int // lanes in use
	carried  int // counts of the calls that they carry
	flights  []*flight[C, R]
	late     int  // batches that have outlived Patience and no longer count as busy
	last     int  // calls in the batch that left last
	watching bool // somebody looks after what takes long
	closed   bool
	idle     chan struct{} // closed when closed and nothing is queued or under way
}

// flight is a batch under way.
type flight[C, R any] struct {
	began time.Time
	count int // of its calls
	calls []*call[C, R]
	late  bool // it has given its lane away
}

type call[C, R any] struct {
	value    C
	size     Size
	answered atomic.Bool
	done     func(R, error) // of Go
	result   R              // of Do, and
	err      error          // there when
	ready    chan struct{}  // has one
}

// finish answers the call, unless it was given up.
func (c *call[C, R]) finish(r R, err error) {
	if !c.answered.CompareAndSwap(false, true) {
		return
	}
	if c.done != nil {
		c.done(r, err)
		return
	}
	c.result, c.err = r, err
	c.ready <- struct{}{}
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
		calls: sync.Pool{New: func() any { return &call[C, R]{ready: make(chan struct{}, 1)} }},
	}
}

// Do runs the call in a batch and returns its result, or one of the errors above. It takes as long as the batch
// does: to bound that is for run, and for Options.Until.
//
// A caller that finds a free lane carries the batch itself. To hand it to another goroutine and be woken again
// costs an idle system more than all the rest of the batcher.
func (b *Batcher[C, R]) Do(value C) (R, error) {
	c, _ := b.calls.Get().(*call[C, R])
	c.value, c.size = value, b.options.Of(value)
	c.answered.Store(false)
	leads, err := b.submit(c)
	if err == nil {
		if leads {
			b.lane(true)
		}
		<-c.ready
		err = c.err
	}
	result := c.result
	if !errors.Is(err, ErrLost) { // else a lane will come back with it
		b.calls.Put(c)
	}
	return result, err
}

// Go queues the call and returns. When it returns nil, done is called exactly once,
// on a lane's goroutine, so it must not block: with the result, or with
// [ErrClosed] when Close gave up before the call's turn, [ErrExpired] or [ErrLost].
func (b *Batcher[C, R]) Go(value C, done func(R, error)) error {
	leads, err := b.submit(&call[C, R]{value: value, size: b.options.Of(value), done: done})
	if leads {
		go b.lane(false)
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
	b.cancel()
	b.mu.Lock()
	given := b.queue
	b.queue, b.queued = nil, Size{}
	b.finishIfIdle()
	b.mu.Unlock()
	refuse(given, ErrClosed)
	<-b.idle
	return context.Cause(ctx)
}

func refuse[C, R any](calls []*call[C, R], why error) {
	for _, c := range calls {
		var none R
		c.finish(none, why)
	}
}

// submit queues a call. When it returns true a lane was free, and the caller must see to it.
func (b *Batcher[C, R]) submit(c *call[C, R]) (leads bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false, ErrClosed
	}
	// An empty queue takes any call, or one larger than the bound could never pass.
	queued := b.queued.plus(c.size)
	if len(b.queue) > 0 && !queued.within(b.options.Queue) {
		return false, ErrFull
	}
	b.queue = append(b.queue, c)
	b.queued = queued
	return b.open(), nil
}

// open takes a lane if one is free and wanted. The lane takes what is queued
// by the time it gets to run, and stays open until nothing is.
func (b *Batcher[C, R]) open() bool {
	if b.busy >= b.lanes || !b.wanted() {
		return false
	}
	b.busy++
	return true
}

// wanted tells whether what is queued is worth a lane: that is, a lane's share of all that is queued or carried. Less
// waits for more, or for the next lane that comes back. With one worker, beside lanes that took whatever there was, batches
// of the API grew from 56 to 70 operations and there were 1.05 times as many reads and 1.08 times as many
// replacements (256 connections, 2 cores, medians of 3 rounds).
func (b *Batcher[C, R]) wanted() bool {
	return len(b.queue) > 0 && b.queued.Count*b.lanes >= b.queued.Count+b.carried
}

// dispatch opens a lane on a goroutine of its own.
func (b *Batcher[C, R]) dispatch() {
	if b.open() {
		go b.lane(false)
	}
}

// lane carries one batch after the other until the queue is empty, there are
// fewer lanes than there were, or it has been late. A caller's own goroutine carries only
// one, and leaves what comes after to another.
func (b *Batcher[C, R]) lane(once bool) {
	for first := true; ; first = false {
		b.mu.Lock()
		if b.busy > b.lanes || !b.wanted() {
			b.busy--
			b.finishIfIdle()
			b.mu.Unlock()
			return
		}
		if !first && once {
			b.mu.Unlock()
			go b.lane(false)
			return
		}
		if b.last > 1 {
			// Others are about to call: they run first, and this batch is larger for it.
			b.mu.Unlock()
			runtime.Gosched()
			b.mu.Lock()
		}
		calls := b.take()
		if len(calls) == 0 { // another lane was faster, or they were given up
			b.mu.Unlock()
			continue
		}
		f := &flight[C, R]{began: time.Now(), calls: calls}
		for _, c := range calls {
			f.count += c.size.Count
		}
		b.carried += f.count
		b.flights = append(b.flights, f)
		b.watch()
		b.dispatch() // what did not fit in this batch
		b.mu.Unlock()

		b.carry(f)

		if stillOurs := b.land(f); !stillOurs {
			return
		}
	}
}

// take removes the next batch from the queue: as many calls as fit, one at least if there is any.
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
	b.last = n
	return calls
}

// carry runs one batch and answers its calls.
func (b *Batcher[C, R]) carry(f *flight[C, R]) {
	calls := f.calls
	values := make([]C, len(calls))
	for i, c := range calls {
		values[i] = c.value
	}
	results := b.run(b.ctx, values)
	if len(results) != len(calls) {
		panic(fmt.Sprintf("batch: run returned %d results for %d calls", len(results), len(calls)))
	}
	b.mu.Lock()
	f.calls = nil // from here on they may be others' again
	b.mu.Unlock()
	for i, c := range calls {
		c.finish(results[i], nil)
	}
}

// land ends a flight, and tells whether its lane is still its own.
func (b *Batcher[C, R]) land(f *flight[C, R]) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.Index(b.flights, f)
	b.flights = slices.Delete(b.flights, i, i+1)
	if f.late {
		b.late--
		b.finishIfIdle()
	} else {
		b.carried -= f.count
	}
	return !f.late
}

// watch has somebody look after calls that wait and batches that take long. One timer for all of them: one
// for each was the largest part of a batch of one.
func (b *Batcher[C, R]) watch() {
	if b.options.Patience == 0 || b.watching {
		return
	}
	b.watching = true
	time.AfterFunc(b.options.Patience/4, b.look)
}

func (b *Batcher[C, R]) look() {
	now := time.Now()
	b.mu.Lock()
	b.watching = false
	for _, f := range b.flights {
		if !f.late && now.Sub(f.began) >= b.options.Patience && b.late < b.options.MaxLate {
			f.late = true
			b.carried -= f.count
			b.late++
			b.busy--
		}
	}
	for range b.late { // those that are new among them
		b.dispatch()
	}
	expired, lost := b.expire(now), b.lose(now)
	if b.busy > 0 || b.late > 0 {
		b.watch()
	}
	b.finishIfIdle()
	b.mu.Unlock()
	refuse(expired, ErrExpired)
	refuse(lost, ErrLost)
}

// lose returns the calls under way that are given up.
func (b *Batcher[C, R]) lose(now time.Time) (lost []*call[C, R]) {
	if b.options.Until == nil {
		return nil
	}
	for _, f := range b.flights {
		if now.Sub(f.began) < b.options.Patience {
			continue
		}
		for _, c := range f.calls {
			if !c.answered.Load() && now.After(b.options.Until(c.value).Add(b.options.Patience)) {
				lost = append(lost, c)
			}
		}
	}
	return lost
}

// expire removes the calls that are given up from the queue.
func (b *Batcher[C, R]) expire(now time.Time) (expired []*call[C, R]) {
	if b.options.Until == nil {
		return nil
	}
	kept := make([]*call[C, R], 0, len(b.queue))
	for _, c := range b.queue {
		if now.Before(b.options.Until(c.value)) {
			kept = append(kept, c)
			continue
		}
		expired = append(expired, c)
		b.queued = b.queued.minus(c.size)
	}
	if len(expired) > 0 {
		b.queue = kept
	}
	return expired
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
