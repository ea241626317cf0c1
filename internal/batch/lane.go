package batch

import (
	"fmt"
	"runtime"
	"slices"
	"time"
)

// A lane carries one batch after the other. This file decides when a lane opens, which batch it
// takes, and when it closes. A batch under way is a flight.

// flight is a batch under way.
type flight[C, R any] struct {
	began    time.Time
	calls    []*call[C, R]
	count    int  // Size.Count of the calls
	slow     bool // its lane is not expected back soon
	released bool // it holds no lane any more
}

// carried is how much the flights carry whose lanes are expected back soon.
func (b *Batcher[C, R]) carried() (count int) {
	for _, f := range b.flights {
		if !f.slow {
			count += f.count
		}
	}
	return count
}

// submit queues a call. When it returns true it has opened a lane, and the caller must run it.
func (b *Batcher[C, R]) submit(c *call[C, R]) (opened bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return false, ErrClosed
	case !b.waiting.add(c, b.options.Queue):
		return false, ErrFull
	}
	return b.open(), nil
}

// open opens a lane if there is a free one and what waits is worth it. The lane takes what waits by
// the time that it runs.
func (b *Batcher[C, R]) open() bool {
	if b.busy >= b.lanes || !b.worthLane() {
		return false
	}
	b.busy++
	return true
}

// dispatch opens a lane on a goroutine of its own.
func (b *Batcher[C, R]) dispatch() {
	if b.open() {
		go b.lane(nil)
	}
}

// worthLane tells whether the calls that wait are worth opening a lane. They are if they make a
// fair share (all calls, waiting or under way, divided by the number of lanes), fill a batch, or
// fill half of the queue. Fewer calls wait for more to come, or for a lane that finishes its batch.
// Compared with lanes that take whatever there is, the API's batches grew from 56 to 70 operations,
// with 1.05 times as many reads and 1.08 times as many replacements (one worker, 256 connections, 2
// cores, medians of 3 rounds).
func (b *Batcher[C, R]) worthLane() bool {
	w := &b.waiting
	return len(w.calls) > 0 && (w.size.Count*b.lanes >= w.size.Count+b.carried() ||
		!w.size.within(b.options.Batch) || !w.size.plus(w.size).within(b.options.Queue))
}

// lane carries one batch after the other, until what waits is not worth it, there are fewer lanes
// than there were, or the lane was released. When own is not nil the goroutine is that of the
// call's own caller: it stops once the call has been taken, and leaves the lane to another
// goroutine.
func (b *Batcher[C, R]) lane(own *call[C, R]) {
	for {
		b.mu.Lock()
		if b.lastBatch > 1 && b.goesOn(own) {
			// Others are about to call: they run first, and this batch is larger for it.
			b.mu.Unlock()
			runtime.Gosched()
			b.mu.Lock()
		}
		if !b.goesOn(own) {
			b.stop()
			b.mu.Unlock()
			return
		}
		f := b.startBatch()
		b.mu.Unlock()

		b.carry(f)

		if holdsLane := b.endBatch(f); !holdsLane {
			return
		}
	}
}

// keepsLane tells whether a lane that is open may stay so.
func (b *Batcher[C, R]) keepsLane() bool { return b.busy <= b.lanes && b.worthLane() }

// goesOn tells whether a lane takes another batch on this goroutine.
func (b *Batcher[C, R]) goesOn(own *call[C, R]) bool {
	return (own == nil || !own.taken) && b.keepsLane()
}

// stop ends a lane on this goroutine: it closes, or goes on on another.
func (b *Batcher[C, R]) stop() {
	if b.keepsLane() {
		go b.lane(nil)
		return
	}
	b.busy--
	b.finishIfIdle()
}

// startBatch makes a flight of the next batch.
func (b *Batcher[C, R]) startBatch() *flight[C, R] {
	f := &flight[C, R]{began: time.Now(), calls: b.waiting.take(b.options.Batch)}
	for _, c := range f.calls {
		f.count += c.size.Count
	}
	b.lastBatch = len(f.calls)
	b.flights = append(b.flights, f)
	b.scheduleCheck()
	b.dispatch() // for what did not fit
	return f
}

// carry runs a batch and answers its calls.
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
	f.calls = nil // once answered they may be used again
	b.mu.Unlock()
	for i, c := range calls {
		if c.claim() { // else it was given up
			c.answer(results[i], nil)
		}
	}
}

// endBatch ends a flight, and tells whether it still held its lane.
func (b *Batcher[C, R]) endBatch(f *flight[C, R]) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.Index(b.flights, f)
	b.flights = slices.Delete(b.flights, i, i+1)
	if f.released {
		b.finishIfIdle()
	}
	return !f.released
}

// finishIfIdle tells Close when nothing is left to wait for.
func (b *Batcher[C, R]) finishIfIdle() {
	if !b.closed || len(b.waiting.calls) > 0 || b.busy > 0 || len(b.flights) > 0 {
		return
	}
	select {
	case <-b.idle:
	default:
		close(b.idle)
	}
}
