package pool

import (
	"math"
	"sync/atomic"
	"time"
)

// The buckets of latencies: each is a fifth (2^¼) wider than the one before. The first has all up
// to a tenth of a millisecond, and the last all beyond 13 s, for which no request waits.
const (
	latencyBuckets  = 70
	firstLatency    = 100 * time.Microsecond
	bucketsPerTwice = 4
)

// Latencies count how long operations took, by buckets, whose counts grow. The differences between
// two of them, and sums of several workers', are Latencies as well.
type Latencies [latencyBuckets]uint64

// latencyBound is the longest time in a bucket; of the last one there is none longer than it tells.
func latencyBound(bucket int) time.Duration {
	return time.Duration(float64(firstLatency) * math.Exp2(float64(bucket)/bucketsPerTwice))
}

// Since returns what has come since the counts were those of before.
func (l Latencies) Since(before Latencies) Latencies {
	for i := range l {
		l[i] -= min(before[i], l[i])
	}
	return l
}

// Plus returns the sum of both.
func (l Latencies) Plus(o Latencies) Latencies {
	for i := range l {
		l[i] += o[i]
	}
	return l
}

// Quantile returns the time within which a part of the operations were answered, from 0 to 1: .5 is
// the median. It is off by the width of a bucket at most: a fifth, or .1 ms. It returns false if
// there were none.
func (l Latencies) Quantile(q float64) (took time.Duration, found bool) {
	var all uint64
	for _, n := range l {
		all += n
	}
	rank, below := q*float64(all), 0.
	for i, n := range l {
		if n == 0 || below+float64(n) < rank {
			below += float64(n)
			continue
		}
		var from time.Duration
		if i > 0 {
			from = latencyBound(i - 1)
		}
		within := (rank - below) / float64(n)
		return from + time.Duration(within*float64(latencyBound(i)-from)), true
	}
	return 0, false
}

// LatencyCounter counts latencies.
type LatencyCounter [latencyBuckets]atomic.Uint64

// Add counts operations that took as long.
func (c *LatencyCounter) Add(took time.Duration, operations int) {
	bucket := bucketsPerTwice * math.Log2(float64(max(took, firstLatency))/float64(firstLatency))
	c[min(int(math.Ceil(bucket)), latencyBuckets-1)].Add(uint64(operations)) //nolint:gosec // positive
}

// Load returns the counts of now.
func (c *LatencyCounter) Load() (counts Latencies) {
	for i := range c {
		counts[i] = c[i].Load()
	}
	return counts
}
