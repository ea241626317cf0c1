package batch

import (
	"fmt"
	"runtime"
	"slices"
	"time"
)

// A lane carries one batch after the other. This file decides when a lane opens, which batch it
// takes, and when it closes.

// carried is how much the flights carry whose lanes are expected back soon. For guests those of
// bulk don't count, as they don't wait for these.
func (b *Batcher[C, R]) carried(guests bool) (count int) {
	for _, f := range b.flights {
		if !f.slow && (!guests || f.bulk == nil) {
			count += f.size.Count
		}
	}
	return count
}

// submit queues a call. When it returns true it has opened a lane, and the caller must run it.
func (b *Batcher[C, R]) submit(c *call[C, R]) (opened bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.queue(c); err != nil {
		return false, err
	}
	return b.open(), nil
}

// queue queues a call.
func (b *Batcher[C, R]) queue(c *call[C, R]) error {
	switch {
	case b.closed:
		return ErrClosed
	case !b.waiting.add(c, b.options.Queue, b.patience(), b.lanes):
		b.refused++
		return ErrFull
	}
	return nil
}

// open opens a lane if there is a free one and what waits is worth it. The lane takes what waits by
// the time that it runs.
func (b *Batcher[C, R]) open() bool {
	if !b.worth(b.busy + 1) {
		return false
	}
	b.busy++
	return true
}

// worth tells whether so many lanes may be open for what waits.
func (b *Batcher[C, R]) worth(lanes int) bool {
	return lanes <= b.lanes && b.worthLane() && !b.waiting.blocked() ||
		lanes <= b.lanes+b.options.Spare && b.fair(b.waiting.guests(), b.carried(true))
}

// fair tells whether calls that wait make a fair share of them and of those under way.
func (b *Batcher[C, R]) fair(waiting, carried int) bool {
	return waiting > 0 && waiting*b.lanes >= waiting+carried
}

// dispatch opens a lane on a goroutine of its own.
func (b *Batcher[C, R]) dispatch() {
	if b.open() {
		go b.lane(nil)
	}
}

// worthLane tells whether the calls that wait are worth opening a lane. They are if they make a
// fair share (all calls, waiting or under way, divided by the number of lanes), fill a batch, or
// fill a quarter of the queue, of which one principal may have half. Fewer calls wait for more to
// come, or for a lane that finishes its batch. Compared with lanes that take whatever there is, the
// API's batches grew from 56 to 70 operations, with 1.05 times as many reads and 1.08 times as many
// replacements (one worker, 256 connections, 2 cores, medians of 3 rounds).
func (b *Batcher[C, R]) worthLane() bool {
	w := &b.waiting
	twice := w.size.plus(w.size)
	return w.calls > 0 && (b.fair(w.size.Count, b.carried(false)) ||
		!w.size.within(b.bound()) || !twice.plus(twice).within(b.options.Queue))
}

// lane carries one batch after the other, until what waits is not worth it, there are fewer lanes
// than there were, or the lane was released. When own is not nil the goroutine is that of the
// call's own caller: it carries that call if it is alone, and leaves all else to another goroutine.
// The answers to others may take much longer, and the caller would wait for them.
func (b *Batcher[C, R]) lane(own *call[C, R]) {
	for {
		f := b.next(own)
		switch {
		case f == nil:
			return
		case own != nil && !f.has(own):
			go b.laneFrom(f)
			return
		case !b.carry(f):
			return
		}
	}
}

// laneFrom is lane with its first batch.
func (b *Batcher[C, R]) laneFrom(f *Flight[C, R]) {
	if b.carry(f) {
		b.lane(nil)
	}
}

// next makes the next batch of a lane, or ends the lane on this goroutine and returns nil.
func (b *Batcher[C, R]) next(own *call[C, R]) *Flight[C, R] {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		if b.lastBatch > 1 && b.goesOn(own) {
			// Others are about to call: they run first, and this batch is larger for it.
			b.mu.Unlock()
			runtime.Gosched()
			b.mu.Lock()
		}
		if !b.goesOn(own) {
			b.stop()
			return nil
		}
		if f := b.startBatch(); f != nil {
			return f
		}
	}
}

// carry runs a flight to its end, and tells whether it still holds its lane.
func (b *Batcher[C, R]) carry(f *Flight[C, R]) (holdsLane bool) {
	b.run(b.ctx, f)
	if f.left > 0 {
		panic(fmt.Sprintf("batch: %d calls of %d were not answered", f.left, len(f.seats)))
	}
	return b.endBatch(f)
}

// keepsLane tells whether a lane that is open may stay so.
func (b *Batcher[C, R]) keepsLane() bool { return b.worth(b.busy) }

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

// startBatch makes a flight of the next batch. It returns nil if all that waits has to wait for
// others of its key.
func (b *Batcher[C, R]) startBatch() *Flight[C, R] {
	guests := b.waiting.guests() > 0
	calls := b.waiting.take(b.bound(), time.Now())
	if len(calls) == 0 {
		return nil
	}
	f := newFlight(b, calls)
	if f.full = b.waiting.calls > 0 && !guests; !f.full && !guests {
		b.standing = f.began // what guests leave stays where it was
	}
	b.waiting.beginBulk(f.bulk, f.dear)
	b.lastBatch = len(f.Calls)
	b.flights = append(b.flights, f)
	b.scheduleCheck()
	b.dispatch() // for what did not fit
	return f
}

// endBatch ends a flight, and tells whether it still held its lane.
func (b *Batcher[C, R]) endBatch(f *Flight[C, R]) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	i := slices.Index(b.flights, f)
	b.flights = slices.Delete(b.flights, i, i+1)
	var waited time.Duration
	for i := range f.seats {
		b.waiting.charge(&f.seats[i].fare)
		waited += f.seats[i].waited
	}
	b.ended.add(len(f.seats), waited, now.Sub(f.began))
	if f.full && !f.released { // else it waited for something else than its turn
		b.measure(f, now)
	}
	if f.released {
		b.finishIfIdle()
	} else {
		b.waiting.endBulk(f.bulk, f.dear)
		b.busyTime += now.Sub(f.began)
	}
	return !f.released
}

// arrived notes that a call with this key has its result.
func (b *Batcher[C, R]) arrived(key string) {
	if key == "" {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting.arrive(key) {
		b.dispatch()
	}
}

// finishIfIdle tells Close when nothing is left to wait for.
func (b *Batcher[C, R]) finishIfIdle() {
	if !b.closed || b.waiting.calls > 0 || b.busy > 0 || len(b.flights) > 0 {
		return
	}
	select {
	case <-b.idle:
	default:
		close(b.idle)
	}
}
