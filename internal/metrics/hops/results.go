package hops

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/outset-settings/outset/internal/metrics"
	"github.com/outset-settings/outset/pkg/messages"
)

// Results count operations by what became of them.
type Results struct {
	operations *prometheus.CounterVec
	replayed   prometheus.Counter
}

// NewResults returns the counts of a program. by is what they are told apart by, beside the kind.
func NewResults(subsystem, by string) *Results {
	return &Results{
		operations: metrics.Counter(subsystem, "operations_total",
			"Operations by what became of them.", by, "kind"),
		replayed: metrics.Counter(subsystem, "operations_replayed_total",
			"Writes that had been applied before and got their first answer again.").
			WithLabelValues(),
	}
}

// Metrics returns all of them.
func (r *Results) Metrics() []prometheus.Collector {
	return []prometheus.Collector{r.operations, r.replayed}
}

// The kinds of results that are no kind of failure that we know.
const (
	kindOK    = "ok"
	kindOther = "other" // a newer worker's, or made up
)

// Count counts a result.
type Count func(kind messages.Kind, replayed bool)

// Of returns what counts the results of which the label has this value.
func (r *Results) Of(value string) Count {
	ok, other := r.operations.WithLabelValues(value, kindOK),
		r.operations.WithLabelValues(value, kindOther)
	kinds := make(map[messages.Kind]prometheus.Counter, len(messages.AllKinds))
	for _, k := range messages.AllKinds {
		kinds[k] = r.operations.WithLabelValues(value, string(k))
	}
	return func(kind messages.Kind, replayed bool) {
		counter := ok
		if kind != "" {
			if counter = kinds[kind]; counter == nil {
				counter = other
			}
		} else if replayed {
			r.replayed.Inc()
		}
		counter.Inc()
	}
}
