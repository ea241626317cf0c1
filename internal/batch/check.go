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
	b.mu.Lock()
	now := time.Now()
	b.checking = false
	b.checkFlights(now)
	// A lane may be free now, or what waits be worth one.
	for range b.lanes + b.options.Spare - b.busy {
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
	after := b.options.ReleaseAfter
	released, stuck := 0, 0
	for _, f := range b.flights {
		if f.released {
			released++
			if left, silence := f.state(now); silence < after {
				stuck += left
			}
		}
	}
	for _, f := range b.flights {
		f.slow = f.slow || now.Sub(f.began) >= b.options.SlowAfter
		if f.released || released >= b.options.MaxReleased || now.Sub(f.began) < after {
			continue
		}
		if left, silence := f.state(now); silence < after {
			if stuck+left > b.options.MaxStuck {
				continue
			}
			stuck += left
		}
		f.released = true
		b.waiting.endBulk(f.bulk, f.dear)
		released++
		b.busy--
		b.busyTime += now.Sub(f.began)
	}
}

// claimLost claims the calls under way that are given up.
func (b *Batcher[C, R]) claimLost(now time.Time) (lost []*call[C, R]) {
	grace := b.options.ReleaseAfter
	for _, f := range b.flights {
		if now.Sub(f.began) >= grace {
			lost = append(lost, f.claimLost(b.options.Until, now.Add(-grace))...)
		}
	}
	return lost
}
