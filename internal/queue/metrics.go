package queue

import (
	"errors"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/outset-settings/outset/internal/metrics"
	"github.com/outset-settings/outset/internal/metrics/hops"
)

// subsystem is the second word of the names of metrics.
const subsystem = "api"

// figures are what the queue counts.
type figures struct {
	batches *hops.Batches
	results *hops.Results

	requests                          *prometheus.CounterVec
	answered, nobody, notSent, silent prometheus.Counter
	again, notAgain                   *prometheus.CounterVec
}

func newFigures() *figures {
	f := &figures{
		batches: hops.NewBatches(subsystem),
		results: hops.NewResults(subsystem, "queue"),
		requests: metrics.Counter(subsystem, "nats_requests_total",
			"Requests to workers, each with a batch of operations, by what became of them.",
			"outcome"),
		again: metrics.Counter(subsystem, "operations_asked_again_total",
			"Operations that were asked of workers once more.", "after"),
		notAgain: metrics.Counter(subsystem, "retry_budget_refused_total",
			"Operations that weren't, because the retry budget was spent.", "after"),
	}
	f.answered = f.requests.WithLabelValues("answered")
	f.nobody = f.requests.WithLabelValues(noResponders)
	f.notSent = f.requests.WithLabelValues(wasNotSent)
	f.silent = f.requests.WithLabelValues(hadNoAnswer)
	for _, after := range []string{hadNoAnswer, wasRefused} {
		f.again.WithLabelValues(after)
		f.notAgain.WithLabelValues(after)
	}
	return f
}

// Why requests had no answer.
const (
	noResponders = "no_responders"
	wasNotSent   = "not_sent"
	hadNoAnswer  = "no_answer"
)

// wasRefused is the other reason for which operations are asked again.
const wasRefused = "refusal"

// outcome names what became of a request that ended with this error; "": it was answered.
func outcome(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, nats.ErrNoResponders):
		return noResponders
	case errors.Is(err, errNotSent):
		return wasNotSent
	default:
		return hadNoAnswer
	}
}

// asked counts a request that ended with this error.
func (f *figures) asked(err error) {
	switch outcome(err) {
	case "":
		f.answered.Inc()
	case noResponders:
		f.nobody.Inc()
	case wasNotSent:
		f.notSent.Inc()
	default:
		f.silent.Inc()
	}
}

// askedAgain counts operations that are asked again, or may not be because of the budget.
func (f *figures) askedAgain(operations int, afterSilence, may bool) {
	counter, after := f.again, wasRefused
	if !may {
		counter = f.notAgain
	}
	if afterSilence {
		after = hadNoAnswer
	}
	counter.WithLabelValues(after).Add(float64(operations))
}

// Metrics returns the metrics of the queue.
func (q *Queue) Metrics() []prometheus.Collector {
	workers := func(state string, lost bool) prometheus.Collector {
		return metrics.Gauge(subsystem, "workers", "Workers that answered when last counted.",
			prometheus.Labels{"state": state},
			func() float64 { return float64(q.workers.present(lost)) })
	}
	return append(q.figures.results.Metrics(), q.figures.batches, q.figures.requests,
		q.figures.again, q.figures.notAgain, workers("serving", false), workers("no_database", true),
		metrics.Gauge(subsystem, "retry_budget_operations", "Operations that may be asked again now.",
			nil, func() float64 { return float64(q.budget.operations()) }),
		hops.Clock(subsystem, &q.workers.clock))
}
