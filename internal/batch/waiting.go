package batch

import "time"

// waiting is the queue: the calls that no lane has taken yet, in order of arrival. The batcher's
// lock guards it.
type waiting[C, R any] struct {
	calls []*call[C, R]
	size  Size // of all of them
}

// add appends a call, unless the queue would exceed the bound. An empty queue takes any call, since
// one that is larger than the bound could never pass otherwise.
func (w *waiting[C, R]) add(c *call[C, R], bound Size) bool {
	size := w.size.plus(c.size)
	if len(w.calls) > 0 && !size.within(bound) {
		return false
	}
	w.calls = append(w.calls, c)
	w.size = size
	return true
}

// take removes the calls of the next batch: as many as fit, one at least.
func (w *waiting[C, R]) take(bound Size) []*call[C, R] {
	var size Size
	n := 0
	for _, c := range w.calls {
		next := size.plus(c.size)
		if n > 0 && !next.within(bound) {
			break
		}
		size = next
		n++
	}
	calls := w.calls[:n:n]
	for _, c := range calls {
		c.taken = true
	}
	if w.calls = w.calls[n:]; len(w.calls) == 0 {
		w.calls = nil // release the array
	}
	w.size = w.size.minus(size)
	return calls
}

// expire removes the calls whose time has run out.
func (w *waiting[C, R]) expire(until func(C) time.Time, now time.Time) (expired []*call[C, R]) {
	kept := make([]*call[C, R], 0, len(w.calls))
	for _, c := range w.calls {
		if now.Before(until(c.value)) {
			kept = append(kept, c)
			continue
		}
		c.taken = true
		expired = append(expired, c)
		w.size = w.size.minus(c.size)
	}
	if len(expired) > 0 {
		w.calls = kept
	}
	return expired
}

// removeAll empties the queue.
func (w *waiting[C, R]) removeAll() []*call[C, R] {
	calls := w.calls
	*w = waiting[C, R]{}
	return calls
}
