// Package report makes tables and plots of measured runs. Ratios are taken between sides of the
// same round, since machines get faster and slower by the hour.
package report

import (
	"encoding/json"
	"os"
	"path/filepath"
	"time"
)

// Kind is what a run was about.
type Kind string

// The kinds of runs.
const (
	Closed  Kind = "closed"  // each connection asks again when it has its answer
	Open    Kind = "open"    // a fixed rate
	Workers Kind = "workers" // closed, with a database that is some milliseconds away
	Users   Kind = "users"   // closed, with tables of several sizes
)

// Direct is the side that the others are compared with.
const Direct = "direct"

// Run is one measured run of one side.
type Run struct {
	Kind        Kind    `json:"kind"`
	Side        string  `json:"side"`
	Operation   string  `json:"operation"`
	Connections int     `json:"connections"`
	Workers     int     `json:"workers,omitempty"` // of Outset
	Users       int     `json:"users"`
	Rate        float64 `json:"rate,omitempty"` // of an open loop
	Round       int     `json:"round"`

	Throughput float64            `json:"throughput"`                 // answers per second
	P50        float64            `json:"p50"`                        // milliseconds
	P99        float64            `json:"p99"`                        // milliseconds
	P999       float64            `json:"p999"`                       // milliseconds
	CPU        map[string]float64 `json:"cpu,omitempty"`              // microseconds per request, by process
	RSS        map[string]float64 `json:"rss,omitempty"`              // MiB at the end, by process
	Message    float64            `json:"perMessage,omitempty"`       // operations in a NATS message
	Batch      float64            `json:"perTransaction,omitempty"`   // operations in a database transaction
	Late       float64            `json:"generatorLateP99,omitempty"` // milliseconds; of an open loop
	// Why it is no result: an answer was wrong or missing.
	Invalid string `json:"invalid,omitempty"`
}

// Report is all that was measured in one go.
type Report struct {
	Machine  Machine       `json:"machine"`
	Versions []Version     `json:"versions"`
	Settings []Version     `json:"settings"` // of Postgres and of the sides
	Command  string        `json:"command"`
	Commit   string        `json:"commit"`
	Began    time.Time     `json:"began"`
	Took     time.Duration `json:"took"`
	Rounds   int           `json:"rounds"`
	Duration time.Duration `json:"duration"` // of each run
	Notes    []string      `json:"notes,omitempty"`
	Runs     []Run         `json:"runs"`
}

// Version says which of something it is.
type Version struct {
	Of string `json:"of"`
	Is string `json:"is"`
}

// Write puts NAME.md, NAME.json and the plots into dir.
func (r *Report) Write(dir, name string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	data, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, name+".json"), append(data, '\n'),
		0o644); err != nil {
		return err
	}
	plots, err := r.plot(dir, name)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name+".md"), []byte(r.markdown(name, plots)), 0o644)
}
