package batch

import (
	"cmp"
	"slices"
	"time"
)

// Calls of one key are about something that only one batch can change at a time, such as a row. In
// two batches at once one would wait for the other, and so would all that is with it. Calls that
// come while others of their key are under way are therefore held, and leave together.

// keyed is what is under way with one key, and what is held for it.
type keyed[C, R any] struct {
	batch    uint64 // the number of the batch that has it
	underWay int    // calls in that batch that have no result yet
	held     []*call[C, R]
	cost     time.Duration // of those that are held
}

// hot tells whether more of this key is held than one lane carries within patience.
func (w *waiting[C, R]) hot(c *call[C, R], patience time.Duration) bool {
	k := w.keys[c.key]
	return patience > 0 && k != nil && k.cost+c.size.Cost > patience
}

// hold sets a call aside, if others of its key are under way in another batch than this one. It is
// among its flow's no more, and still counts as its principal's.
func (w *waiting[C, R]) hold(c *call[C, R], batch uint64) bool {
	k := w.keys[c.key]
	if k == nil || k.batch == batch {
		return false
	}
	k.held = append(k.held, c)
	k.cost += c.size.Cost
	c.flow.held++
	w.held = w.held.plus(c.size)
	return true
}

// depart notes that a call with a key is under way in this batch.
func (w *waiting[C, R]) depart(c *call[C, R], batch uint64) {
	if c.key == "" {
		return
	}
	k := w.keys[c.key]
	if k == nil {
		if w.keys == nil {
			w.keys = make(map[string]*keyed[C, R])
		}
		k = &keyed[C, R]{batch: batch}
		w.keys[c.key] = k
	}
	k.underWay++
}

// arrive notes that a call with this key has its result. With the last of them those that were held
// wait for a batch again, in their order of arrival. It tells whether there are any.
func (w *waiting[C, R]) arrive(key string) (more bool) {
	k := w.keys[key]
	if k.underWay--; k.underWay > 0 {
		return false
	}
	delete(w.keys, key)
	if len(k.held) == 0 {
		return false
	}
	flows := make(map[*flow[C, R]]bool)
	for _, c := range k.held {
		w.unhold(c)
		w.enqueue(c)
		flows[c.flow] = true
	}
	for f := range flows {
		slices.SortFunc(f.calls, func(a, b *call[C, R]) int { return cmp.Compare(a.number, b.number) })
	}
	return true
}

func (w *waiting[C, R]) unhold(c *call[C, R]) {
	c.flow.held--
	w.held = w.held.minus(c.size)
}
