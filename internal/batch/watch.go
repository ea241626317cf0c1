package batch

import "time"

// watch has somebody look after calls that wait and batches that take long: one timer for all of
// them, which runs only while something is under way.
func (b *Batcher[C, R]) watch() {
	if b.watching {
		return
	}
	b.watching = true
	time.AfterFunc(b.options.Patience/4, b.look)
}

// look no longer counts on batches that are slow, gives away the lanes of those that take too long,
// and gives up calls whose time has run out.
func (b *Batcher[C, R]) look() {
	now := time.Now()
	b.mu.Lock()
	b.watching = false
	for _, f := range b.flights {
		age := now.Sub(f.began)
		if !f.slow && age >= b.options.Patience/4 {
			f.slow = true
			b.carried -= f.count
		}
		if !f.late && age >= b.options.Patience && b.late < b.options.MaxLate {
			f.late = true
			b.late++
			b.busy--
		}
	}
	for range b.lanes - b.busy { // where that made a lane free, or what waits worth one
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

// lose claims the calls under way that are given up. They are claimed before the lock is released:
// afterwards a lane may answer them, and they be used again.
func (b *Batcher[C, R]) lose(now time.Time) (lost []*call[C, R]) {
	if b.options.Until == nil {
		return nil
	}
	for _, f := range b.flights {
		if now.Sub(f.began) < b.options.Patience {
			continue
		}
		for _, c := range f.calls {
			if now.After(b.options.Until(c.value).Add(b.options.Patience)) && c.claim() {
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
		c.left = true
		expired = append(expired, c)
		b.queued = b.queued.minus(c.size)
	}
	if len(expired) > 0 {
		b.queue = kept
	}
	return expired
}
