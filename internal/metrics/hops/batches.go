// Package hops has the metrics that both hops have alike, the API and the workers: of their
// batchers, of what becomes of operations, and of their connections to NATS.
package hops

import (
	"context"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/outset-settings/outset/internal/batch"
	"github.com/outset-settings/outset/internal/metrics"
)

// Batches are the metrics of a program's batchers, each of which is a queue with a name.
type Batches struct {
	wait, size *prometheus.HistogramVec

	waiting, oldest, refused, lanes, busy, busySeconds *prometheus.Desc

	mu     sync.Mutex
	queues map[string]func() batch.Stats
}

// NewBatches returns the metrics of batchers that are added later.
func NewBatches(subsystem string) *Batches {
	desc := func(name, help string) *prometheus.Desc {
		return metrics.Desc(subsystem, name, help, queueLabel)
	}
	return &Batches{
		wait: metrics.Seconds(subsystem, "queue_wait_seconds",
			"How long operations waited for their batch.", queueLabel),
		size: metrics.Counts(subsystem, "batch_operations", "How many operations a batch had.",
			queueLabel),
		waiting: desc("queue_operations", "Operations that wait for a batch."),
		oldest: desc("queue_oldest_seconds",
			"How long the operation that came first of them has waited."),
		refused: desc("queue_refused_total",
			"Operations that were refused because too much waited."),
		lanes: desc("lanes", "Batches that may be under way at once."),
		busy:  desc("lanes_busy", "Batches that are under way."),
		busySeconds: desc("lanes_busy_seconds_total",
			"For how long batches were under way, summed up."),
		queues: make(map[string]func() batch.Stats),
	}
}

const queueLabel = "queue"

// Observe returns run, observed, for the batcher of the queue. The exemplar of a call is nil unless
// it is traced; without a function none is.
func Observe[C, R any](b *Batches, queue string, run func(context.Context, *batch.Flight[C, R]),
	exemplar func(C) map[string]string,
) func(context.Context, *batch.Flight[C, R]) {
	wait, size := b.wait.WithLabelValues(queue), b.size.WithLabelValues(queue)
	return func(ctx context.Context, f *batch.Flight[C, R]) {
		exemplars := exemplarsOf(f, exemplar) // before calls are answered and may not be read
		run(ctx, f)                           // first, since callers wait for it
		size.Observe(float64(len(f.Calls)))
		for i := range f.Calls {
			metrics.Observe(wait, f.Waited(i), exemplars[i])
		}
	}
}

// exemplarsOf returns the exemplars of calls that are traced, by their index.
func exemplarsOf[C, R any](f *batch.Flight[C, R], exemplar func(C) map[string]string,
) (all map[int]map[string]string) {
	if exemplar == nil {
		return nil
	}
	for i, c := range f.Calls {
		if e := exemplar(c); e != nil {
			if all == nil {
				all = make(map[int]map[string]string)
			}
			all[i] = e
		}
	}
	return all
}

// Add has the figures of the queue exported.
func (b *Batches) Add(queue string, stats func() batch.Stats) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queues[queue] = stats
}

// Describe sends the descriptions of all metrics.
func (b *Batches) Describe(ch chan<- *prometheus.Desc) {
	b.wait.Describe(ch)
	b.size.Describe(ch)
	for _, d := range []*prometheus.Desc{
		b.waiting, b.oldest, b.refused, b.lanes, b.busy, b.busySeconds,
	} {
		ch <- d
	}
}

// Collect sends all metrics.
func (b *Batches) Collect(ch chan<- prometheus.Metric) {
	b.wait.Collect(ch)
	b.size.Collect(ch)
	b.mu.Lock()
	defer b.mu.Unlock()
	for queue, stats := range b.queues {
		s := stats()
		gauge := func(d *prometheus.Desc, v float64) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, queue)
		}
		counter := func(d *prometheus.Desc, v float64) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, queue)
		}
		gauge(b.waiting, float64(s.Waiting))
		gauge(b.oldest, s.Oldest.Seconds())
		gauge(b.lanes, float64(s.Lanes))
		gauge(b.busy, float64(s.Busy))
		counter(b.refused, float64(s.Refused))
		counter(b.busySeconds, s.BusyTime.Seconds())
	}
}
