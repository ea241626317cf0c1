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

	requests                             *prometheus.CounterVec
	answered, nobody, notSent, silent    prometheus.Counter
	again                                *prometheus.CounterVec
	askedAfterSilence, askedAfterRefusal prometheus.Counter
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
	}
	f.answered = f.requests.WithLabelValues("answered")
	f.nobody = f.requests.WithLabelValues(noResponders)
	f.notSent = f.requests.WithLabelValues(wasNotSent)
	f.silent = f.requests.WithLabelValues(hadNoAnswer)
	f.askedAfterSilence = f.again.WithLabelValues(hadNoAnswer)
	f.askedAfterRefusal = f.again.WithLabelValues("refusal")
	return f
}

// Why requests had no answer.
const (
	noResponders = "no_responders"
	wasNotSent   = "not_sent"
	hadNoAnswer  = "no_answer"
)

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

// askedAgain counts operations that are asked again.
func (f *figures) askedAgain(operations int, afterSilence bool) {
	if afterSilence {
		f.askedAfterSilence.Add(float64(operations))
	} else {
		f.askedAfterRefusal.Add(float64(operations))
	}
}

// Metrics returns the metrics of the queue.
func (q *Queue) Metrics() []prometheus.Collector {
	workers := func(state string, lost bool) prometheus.Collector {
		return metrics.Gauge(subsystem, "workers", "Workers that answered when last counted.",
			prometheus.Labels{"state": state},
			func() float64 { return float64(q.workers.present(lost)) })
	}
	return append(q.figures.results.Metrics(), q.figures.batches, q.figures.requests,
		q.figures.again, workers("serving", false), workers("no_database", true))
}
