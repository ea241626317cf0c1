package batch

import "time"

// One timer for all calls and batches checks what takes long. It runs only while something is under
// way, since only then does a call wait.

// scheduleCheck has the next check made, if none is scheduled.
func (b *Batcher[C, R]) scheduleCheck() {
	if b.checking {
		return
	}
	b.checking = true
	time.AfterFunc(b.options.SlowAfter, b.check)
}

// check marks batches as slow, releases the lanes of those that take too long, and gives up calls
// whose time has run out.
func (b *Batcher[C, R]) check() {
	now := time.Now()
	b.mu.Lock()
	b.checking = false
	b.checkFlights(now)
	for range b.lanes - b.busy { // a lane may be free now, or what waits be worth one
		b.dispatch()
	}
	var expired, lost []*call[C, R]
	if b.options.Until != nil {
		expired = b.waiting.expire(b.options.Until, now)
		lost = b.claimLost(now)
	}
	if b.busy > 0 || len(b.flights) > 0 {
		b.scheduleCheck()
	}
	b.finishIfIdle()
	b.mu.Unlock()
	refuse(expired, ErrExpired)
	refuse(lost, ErrLost)
}

// checkFlights marks the flights that are slow, and releases lanes.
func (b *Batcher[C, R]) checkFlights(now time.Time) {
	released := 0
	for _, f := range b.flights {
		if f.released {
			released++
		}
	}
	for _, f := range b.flights {
		age := now.Sub(f.began)
		f.slow = f.slow || age >= b.options.SlowAfter
		if !f.released && age >= b.options.ReleaseAfter && released < b.options.MaxReleased {
			f.released = true
			released++
			b.busy--
		}
	}
}

// claimLost claims the calls under way that are given up. It does so under the lock: afterwards a
// lane may answer them, and their memory be used for others.
func (b *Batcher[C, R]) claimLost(now time.Time) (lost []*call[C, R]) {
	grace := b.options.ReleaseAfter
	for _, f := range b.flights {
		if now.Sub(f.began) < grace {
			continue
		}
		for _, c := range f.calls {
			if now.After(b.options.Until(c.value).Add(grace)) && c.claim() {
				lost = append(lost, c)
			}
		}
	}
	return lost
}
