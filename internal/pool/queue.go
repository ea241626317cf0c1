package pool

import (
	"time"

	"github.com/outset-settings/outset/internal/batch"
)

// Queue has the figures of one queue of a program, in which operations wait for a batch. Those that
// grow count since the program started: whoever reads them twice knows what happened in between.
// /metrics has the same, and docs/metrics.md tells how to read them.
type Queue struct {
	Lanes int `json:"lanes"` // batches that may be under way at once
	// Busy is how long batches were under way, summed up. It grows.
	Busy    time.Duration `json:"lanes_busy_ns"`
	Waiting int           `json:"waiting"`           // operations that wait for a batch
	Oldest  time.Duration `json:"oldest_waiting_ns"` // how long the first of them has waited
	Refused uint64        `json:"refused"`           // operations, as too much waited; it grows
	// Of batches that have ended, and of their operations; all of it grows.
	Batches    uint64        `json:"batches"`
	Operations uint64        `json:"operations"`
	Waited     time.Duration `json:"waited_ns"`  // that operations waited for their batch, summed up
	Carried    time.Duration `json:"carried_ns"` // that their batch then took, summed up
}

// QueueOf returns the figures of a batcher's queue.
func QueueOf(s batch.Stats) Queue {
	return Queue{
		Lanes: s.Lanes, Busy: s.BusyTime, Waiting: s.Waiting, Oldest: s.Oldest, Refused: s.Refused,
		Batches: s.Batches, Operations: s.Calls, Waited: s.Waited, Carried: s.Carried,
	}
}

// Utilisation is the part of the lanes that was busy since the figures were those of before: from 0
// to 1. Where it stays near 1 operations wait for lanes, and more workers help.
func (q Queue) Utilisation(before Queue, elapsed time.Duration) float64 {
	if q.Lanes == 0 || elapsed <= 0 {
		return 0
	}
	return float64(q.Busy-before.Busy) / float64(elapsed) / float64(q.Lanes)
}
