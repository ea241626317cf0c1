package worker

import (
	"os"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/outset-settings/outset/internal/metrics"
	"github.com/outset-settings/outset/internal/metrics/hops"
)

// subsystem is the second word of the names of metrics.
const subsystem = "worker"

// figures are what a worker counts. The service discovery tells some of them, too.
type figures struct {
	batches *hops.Batches
	results *hops.Results

	changesPublished, changesDropped prometheus.Counter
	pruned, pruneFailures            prometheus.Counter
}

func newFigures() *figures {
	counter := func(name, help string) prometheus.Counter {
		return metrics.Counter(subsystem, name, help).WithLabelValues()
	}
	return &figures{
		batches: hops.NewBatches(subsystem),
		results: hops.NewResults(subsystem, "endpoint"),
		changesPublished: counter("changes_published_total",
			"New versions of documents that were told to whoever watches them."),
		changesDropped: counter("changes_dropped_total",
			"New versions that were not: too many waited for that, or NATS was away."),
		pruned: counter("history_pruned_total",
			"Versions that were removed from the history."),
		pruneFailures: counter("history_prune_failures_total",
			"Steps of that which failed."),
	}
}

// Metrics returns the metrics of the worker, without those of its store.
func (w *Worker) Metrics() []prometheus.Collector {
	f := w.figures
	all := append(f.results.Metrics(), f.batches, f.changesPublished, f.changesDropped, f.pruned,
		f.pruneFailures,
		metrics.Gauge(subsystem, "info", "1; the labels tell which process the worker is.",
			prometheus.Labels{"id": w.id, "host": w.host, "pid": strconv.Itoa(os.Getpid())},
			func() float64 { return 1 }),
		metrics.Gauge(subsystem, "database_reachable", "Whether the worker reaches its database.",
			nil, func() float64 { return metrics.Is(w.databaseLost.Load() == nil) }),
		hops.Clock(subsystem, w.store.Clock()))
	all = append(all, hops.NATS(subsystem, "requests", w.nc)...)
	return append(all, hops.NATS(subsystem, "changes", w.changesConn)...)
}
