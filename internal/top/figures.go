package top

import (
	"encoding/json"
	"math"
	"time"

	"github.com/outset-settings/outset/internal/pool"
)

// Figure is a number, or NaN where there is none: rates need two answers of a worker, and times and
// sizes need operations between them. As JSON that is null.
type Figure float64

var unknown = Figure(math.NaN())

// Known tells whether there is a number.
func (f Figure) Known() bool { return !math.IsNaN(float64(f)) }

// MarshalJSON is as for any number. Six digits tell more than any measurement.
func (f Figure) MarshalJSON() ([]byte, error) {
	if !f.Known() || math.IsInf(float64(f), 0) {
		return []byte("null"), nil
	}
	return json.Marshal(math.Round(float64(f)*1e6) / 1e6)
}

// UnmarshalJSON reads what MarshalJSON has written.
func (f *Figure) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*f = unknown
		return nil
	}
	return json.Unmarshal(data, (*float64)(f))
}

// Figures tell of the operations of one kind, of one worker or of all. Rates, latencies, sizes and
// the utilisation are of the time between the two last answers.
type Figures struct {
	Rate        Figure `json:"operations_per_second"` // answered
	ErrorRate   Figure `json:"errors_per_second"`     // those that failed by a fault of the service
	RefusedRate Figure `json:"refused_per_second"`    // those that were, as too much waited
	P50         Figure `json:"latency_p50_seconds"`   // from arrival at the worker to the answer
	P99         Figure `json:"latency_p99_seconds"`
	Batch       Figure `json:"batch_operations"` // the mean size of a batch
	Utilisation Figure `json:"utilisation"`      // of the lanes, from 0 to 1
	Lanes       int    `json:"lanes"`            // batches that may be under way at once
	InFlight    int64  `json:"in_flight"`        // taken and not yet answered
	Waiting     int    `json:"waiting"`          // for a batch
	Oldest      Figure `json:"oldest_waiting_seconds"`
	Operations  int    `json:"operations"` // answered since the worker started
	Errors      int    `json:"errors"`     // of those
	Refused     uint64 `json:"refused"`    // of those
}

// part is one endpoint of one worker.
type part struct {
	before, now pool.Endpoint
	since       time.Duration // between the two; 0: there is no before
}

// figuresOf puts parts together. A part without a before adds nothing to what needs one.
func figuresOf(parts ...part) Figures {
	f := Figures{
		Rate: unknown, ErrorRate: unknown, RefusedRate: unknown, P50: unknown, P99: unknown,
		Utilisation: unknown,
	}
	var busy, lanes, batches, batched float64
	var latencies pool.Latencies
	for _, p := range parts {
		f.Lanes += p.now.Lanes
		f.InFlight += p.now.InFlight
		f.Waiting += p.now.Waiting
		f.Oldest = max(f.Oldest, Figure(p.now.Oldest.Seconds()))
		f.Operations += p.now.Requests
		f.Errors += p.now.Errors
		f.Refused += p.now.Refused
		if p.since <= 0 {
			continue
		}
		f.Rate = plus(f.Rate, rate(p.before.Requests, p.now.Requests, p.since))
		f.ErrorRate = plus(f.ErrorRate, rate(p.before.Errors, p.now.Errors, p.since))
		f.RefusedRate = plus(f.RefusedRate, rate(p.before.Refused, p.now.Refused, p.since))
		latencies = latencies.Plus(p.now.Latencies.Since(p.before.Latencies))
		batches += grown(p.before.Batches, p.now.Batches)
		batched += grown(p.before.Operations, p.now.Operations)
		lanes += float64(p.now.Lanes)
		busy += float64(p.now.Lanes) * p.now.Utilisation(p.before.Queue, p.since)
	}
	f.Batch = Figure(batched / batches) // 0/0 is NaN
	f.Utilisation = Figure(busy / lanes)
	for q, at := range map[float64]*Figure{.5: &f.P50, .99: &f.P99} {
		if took, found := latencies.Quantile(q); found {
			*at = Figure(took.Seconds())
		}
	}
	return f
}

// grown is how much a counter has grown.
func grown[N int | uint64](before, now N) float64 { return float64(now) - float64(before) }

func rate[N int | uint64](before, now N, since time.Duration) Figure {
	return Figure(grown(before, now) / since.Seconds())
}

func plus(a, b Figure) Figure {
	if !a.Known() {
		return b
	}
	return a + b
}
