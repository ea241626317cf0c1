package worker

import (
	"time"

	"github.com/outset-settings/outset/internal/batch"
)

// Signals are what tells how many workers are needed. The service discovery has them of each
// endpoint, and /metrics has the same figures; docs/metrics.md tells how to read them.
type Signals struct {
	Lanes int `json:"lanes"` // batches that may be under way at once
	// Busy is how long batches were under way, summed up. It grows.
	Busy    time.Duration `json:"lanes_busy_ns"`
	Waiting int           `json:"waiting"`           // operations that wait for a batch
	Oldest  time.Duration `json:"oldest_waiting_ns"` // how long the first of them has waited
	Refused uint64        `json:"refused"`           // operations, as too much waited; it grows
}

func signalsOf(s batch.Stats) Signals {
	return Signals{s.Lanes, s.BusyTime, s.Waiting, s.Oldest, s.Refused}
}

// Utilisation is the part of the lanes that was busy since the signals were those of before: from 0
// to 1. Where it stays near 1 operations wait for lanes, and more workers help.
func (s Signals) Utilisation(before Signals, elapsed time.Duration) float64 {
	if s.Lanes == 0 || elapsed <= 0 {
		return 0
	}
	return float64(s.Busy-before.Busy) / float64(elapsed) / float64(s.Lanes)
}
