package batch

import "time"

// Stats are the figures of a [Batcher]. Those that grow are of all its time.
type Stats struct {
	Lanes    int           // that may be open
	Busy     int           // that are
	BusyTime time.Duration // for which lanes carried batches, summed up over lanes; it grows
	Waiting  int           // calls, the Count of their sizes
	Oldest   time.Duration // how long the call that came first of them has waited; 0: none waits
	Refused  uint64        // calls, with [ErrFull]; it grows

	// Of flights that have ended, and of their calls; all of it grows.
	Batches, Calls  uint64
	Waited, Carried time.Duration // for the batch, and in it, summed up over calls
}

// Stats returns the figures of now. It takes longer the more principals wait: 4 µs for 1,000.
func (b *Batcher[C, R]) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	s := Stats{
		Lanes: b.lanes, Busy: b.busy, BusyTime: b.busyTime, Refused: b.refused,
		Waiting: b.waiting.size.Count + b.waiting.held.Count,
		Batches: b.ended.batches, Calls: b.ended.calls,
		Waited: b.ended.waited, Carried: b.ended.carried,
	}
	for _, f := range b.flights {
		if !f.released {
			s.BusyTime += now.Sub(f.began)
		}
	}
	if first := b.waiting.first(); first != nil {
		s.Oldest = now.Sub(first.arrived)
	}
	return s
}

// ended sums up flights that have ended.
type ended struct {
	batches, calls  uint64
	waited, carried time.Duration
}

// add adds a flight that has taken so long.
func (e *ended) add(calls int, waited, took time.Duration) {
	e.batches++
	e.calls += uint64(calls) //nolint:gosec // a length
	e.waited += waited
	e.carried += time.Duration(calls) * took
}
