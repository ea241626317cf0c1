package batch

import (
	"slices"
	"time"
)

// waiting is the queue: the calls that no lane has taken yet, by principal. The batcher's lock
// guards it.
type waiting[C, R any] struct {
	flows map[uint64]*flow[C, R]
	turns []*flow[C, R] // those that wait or owe something; the first is next
	calls int
	size  Size // of all calls

	keys map[string]*keyed[C, R] // that are under way
	held Size                    // of the calls that wait for these, which are not among the others

	bulky    []*flow[C, R] // those who have batches of bulk under way
	mostDear int           // Options.DearLanes

	latest  uint64    // the principal who came last
	company time.Time // when somebody came who was not the one before

	arrived uint64 // calls, ever
	batches uint64 // ever
}

// flow returns the account of a principal.
func (w *waiting[C, R]) flow(principal uint64) *flow[C, R] {
	f := w.flows[principal]
	if f == nil {
		if w.flows == nil {
			w.flows = make(map[uint64]*flow[C, R])
		}
		f = &flow[C, R]{principal: principal}
		w.flows[principal] = f
	}
	return f
}

// add appends a call to what waits of its principal, unless that would exceed their share of the
// queue: as much as is free beside it, so that there is always room for others (Choudhury and
// Hahne, "Dynamic Queue Length Thresholds for Shared-Memory Packet Switches", 1998). Nor may more
// cost than patience wait in front of it: as much of each other principal as of its own, at most. Of
// one key only one of the lanes carries something at a time.
// An empty queue takes any call, since one that is larger than the bound could never pass
// otherwise.
func (w *waiting[C, R]) add(c *call[C, R], bound Size, patience time.Duration, lanes int) bool {
	f := w.flow(c.principal)
	c.expected = c.size.Cost
	c.size.Cost += f.excess
	own, all := f.size.plus(c.size), w.size.plus(w.held)
	if all.Count > 0 && (!own.plus(all).within(bound) ||
		patience > 0 && min(all.Cost, own.Cost*time.Duration(max(len(w.turns), 1))) > patience) ||
		w.hot(c, patience/time.Duration(lanes)) {
		w.forget(f)
		return false
	}
	if c.principal != w.latest {
		w.latest, w.company = c.principal, c.arrived
	}
	w.arrived++
	c.flow, c.number = f, w.arrived
	f.size = own
	if !w.hold(c, 0) {
		w.enqueue(c)
	}
	return true
}

// enqueue has a call wait for a batch.
func (w *waiting[C, R]) enqueue(c *call[C, R]) {
	c.flow.calls = append(c.flow.calls, c)
	w.calls++
	w.size = w.size.plus(c.size)
	w.line(c.flow)
}

// uncount is for a call that waits for a batch no more.
func (w *waiting[C, R]) uncount(c *call[C, R]) {
	w.calls--
	w.size = w.size.minus(c.size)
}

// line has a principal take turns from now on.
func (w *waiting[C, R]) line(f *flow[C, R]) {
	if !f.inTurns {
		f.inTurns, f.begun = true, false
		w.turns = append(w.turns, f)
	}
}

// forget drops the account of a principal of whom nothing waits, is under way or is owed.
func (w *waiting[C, R]) forget(f *flow[C, R]) {
	if len(f.calls) == 0 && f.held == 0 && f.underWay == 0 && !f.inTurns {
		delete(w.flows, f.principal)
	}
}

// take removes the calls of the next batch: as many as fit, one at least if any waits whose key is
// free. Where one principal has been alone for companyLasts nobody waits for what the calls cost.
// Where guests wait (bulk.go) the batch is theirs, and nothing is taken of principals who have all
// lanes that they may have.
func (w *waiting[C, R]) take(bound Size, now time.Time) (calls []*call[C, R]) {
	var size Size
	w.batches++
	if len(w.turns) == 1 && w.alone(now) {
		bound.Cost = 0
	}
	guests := w.guests() > 0
	passed := 0 // principals in a row who had their turn and nothing to take
	for w.calls > 0 && passed <= len(w.turns) {
		f := w.turns[0]
		if guests && f.bulk > 0 || w.full(f, now) {
			w.turns = append(w.turns[1:], f)
			passed++
			continue
		}
		if !f.begun {
			f.begun = true
			f.credit += turn
		}
		if len(f.calls) == 0 {
			w.endTurn(f)
			passed++
			continue
		}
		passed = 0
		c := f.calls[0]
		if w.hold(c, w.batches) {
			w.dequeue(f)
			continue
		}
		if c.size.Cost > f.credit {
			w.endTurn(f)
			continue
		}
		next := size.plus(c.size)
		if len(calls) > 0 && !next.within(bound) {
			break
		}
		size = next
		f.credit -= c.size.Cost
		w.dequeue(f)
		f.size = f.size.minus(c.size)
		f.underWay++
		w.depart(c, w.batches)
		c.taken = true
		calls = append(calls, c)
		if len(f.calls) == 0 {
			w.endTurn(f)
		}
	}
	return calls
}

// dequeue removes the first call of a principal from those that wait for a batch.
func (w *waiting[C, R]) dequeue(f *flow[C, R]) {
	w.uncount(f.calls[0])
	if f.calls = f.calls[1:]; len(f.calls) == 0 {
		f.calls = nil // release the array
	}
}

// endTurn goes on to the next principal. One of whom nothing waits takes turns only until they owe
// nothing, and keeps no credit.
func (w *waiting[C, R]) endTurn(f *flow[C, R]) {
	if w.turns = w.turns[1:]; len(w.turns) == 0 {
		w.turns = nil
	}
	f.begun = false
	if len(f.calls) == 0 && f.credit >= 0 {
		f.credit, f.inTurns = 0, false
		w.forget(f)
		return
	}
	w.turns = append(w.turns, f)
}

// first returns the call that came first of those that wait, or nil.
func (w *waiting[C, R]) first() (first *call[C, R]) {
	earlier := func(calls []*call[C, R]) {
		if len(calls) > 0 && (first == nil || calls[0].number < first.number) {
			first = calls[0]
		}
	}
	for _, f := range w.turns {
		earlier(f.calls)
	}
	for _, k := range w.keys {
		earlier(k.held)
	}
	return first
}

// charge settles a call that was taken and has ended.
func (w *waiting[C, R]) charge(p *fare[C, R]) {
	p.flow.charge(p)
	if p.flow.credit < 0 {
		w.line(p.flow)
	}
	w.forget(p.flow)
}

// expire removes the calls whose time has run out.
func (w *waiting[C, R]) expire(until func(C) time.Time, now time.Time) (expired []*call[C, R]) {
	return w.remove(func(c *call[C, R]) bool { return !now.Before(until(c.value)) })
}

// removeAll empties the queue.
func (w *waiting[C, R]) removeAll() []*call[C, R] {
	return w.remove(func(*call[C, R]) bool { return true })
}

// remove removes the calls for which which is true.
func (w *waiting[C, R]) remove(which func(*call[C, R]) bool) (removed []*call[C, R]) {
	without := func(calls []*call[C, R], uncount func(*call[C, R])) []*call[C, R] {
		return slices.DeleteFunc(calls, func(c *call[C, R]) bool {
			if !which(c) {
				return false
			}
			uncount(c)
			removed = append(removed, c)
			return true
		})
	}
	for _, f := range w.turns {
		f.calls = without(f.calls, w.uncount)
	}
	for _, k := range w.keys {
		k.held = without(k.held, func(c *call[C, R]) {
			w.unhold(c)
			k.cost -= c.size.Cost
		})
	}
	for _, c := range removed {
		c.taken = true
		c.flow.size = c.flow.size.minus(c.size)
		w.forget(c.flow)
	}
	return removed
}
