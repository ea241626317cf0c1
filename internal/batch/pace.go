package batch

import "time"

// How long what waits will have to wait is known from what full batches carried lately: while
// batches have room for all that waits, nobody waits longer than for one batch.
const (
	// paceWeight is the weight of the latest full batch, as 1/paceWeight.
	paceWeight = 8
	// paceLasts is for how long a full batch tells something, beyond the time that it took itself.
	// Without such an end a pace that was wrong once would refuse the calls that could make it
	// right.
	paceLasts = time.Second
	// longBatch is what a full batch should take at most. If it takes longer the next are half as
	// large, down to leastBatch: where little can be done in a second, one batch of 512 took three,
	// most calls behind it were late, and nothing was known of the pace until then. They are larger
	// again where they take a quarter of that.
	longBatch  = 400 * time.Millisecond
	leastBatch = 64
	// standsAfter is after how long a queue is no burst any more, but stands: nothing in it will be
	// carried sooner for being taken, and what is refused can go elsewhere. As Nichols and Jacobson
	// ("Controlling Queue Delay", 2012) tell good queues from bad; what is refused is what comes.
	standsAfter = time.Second
)

// measure notes that a full batch has ended, its calls having been charged. It is the rates that
// are averaged and not the times: a batch that a peer's restart held up for a second is one slow
// batch, and not more.
func (b *Batcher[C, R]) measure(f *Flight[C, R], now time.Time) {
	var cost time.Duration
	for i := range f.seats {
		// As the cost of what waits is counted, after what these calls turned out to cost.
		cost += f.seats[i].fare.expected + f.seats[i].fare.flow.excess
	}
	took := now.Sub(f.began)
	rate := float64(cost) / float64(max(took, time.Microsecond))
	if now.After(b.paceEnds) {
		b.pace, b.measured, b.standing = rate, 0, now
	}
	b.pace += (rate - b.pace) / paceWeight
	b.paceEnds = now.Add(paceLasts + took)
	b.measured++
	switch n := len(f.Calls); {
	case took > longBatch:
		b.most = min(b.most, max(n/2, leastBatch))
	case took < longBatch/4 && n >= b.most:
		b.most *= 2
	}
	b.most = min(b.most, b.options.Batch.Count)
}

// bound is what the next batch may have.
func (b *Batcher[C, R]) bound() Size {
	bound := b.options.Batch
	bound.Count = b.most
	return bound
}

// patience is the most cost that may wait in front of a call, and with it: what is expected to be
// carried within Options.MaxWait or MaxStanding. Zero: no bound.
func (b *Batcher[C, R]) patience() time.Duration {
	if b.options.MaxWait == 0 || b.measured < paceWeight || time.Now().After(b.paceEnds) {
		return 0
	}
	wait := b.options.MaxWait
	if b.options.MaxStanding > 0 && time.Since(b.standing) > standsAfter {
		wait = b.options.MaxStanding
	}
	most := float64(wait) * b.pace * float64(b.lanes)
	return max(time.Duration(most), 4*b.options.Batch.Cost)
}
