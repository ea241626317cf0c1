package worker

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/outset-settings/outset/internal/settings"
	"github.com/outset-settings/outset/pkg/messages"
	"github.com/outset-settings/outset/pkg/store"
)

// Config has the limits of a worker. Three lanes are the measured best, see the API's minLanes:
// while some wait for the disk another computes.
type Config struct {
	ReadLanes  int `env:"READ_LANES" default:"3" placeholder:"N" help:"batches of reads under way at once; with WRITE_LANES it says how many database connections there are: the larger of the two and two more"`
	WriteLanes int `env:"WRITE_LANES" default:"3" placeholder:"N" help:"batches of writes under way at once"`
	BatchSize  int `env:"BATCH_SIZE" default:"512" placeholder:"N" help:"operations in one batch to the database"`
	QueueSize  int `env:"QUEUE_SIZE" default:"4096" placeholder:"N" help:"operations that wait for a batch, reads and writes each; past it the worker answers \"overloaded\""`
	QueueBytes int `env:"QUEUE_BYTES" default:"33554432" placeholder:"BYTES" help:"bytes of the operations that wait, reads and writes each"`

	DrainTimeout time.Duration `env:"DRAIN_TIMEOUT" default:"20s" placeholder:"DURATION" help:"how long a stopping worker may take to answer what it has taken"`

	MaxDocument int `name:"max-document-bytes" env:"MAX_DOCUMENT_BYTES" default:"65536" placeholder:"BYTES" help:"bytes of a document, at most 524288"`
	MaxDepth    int `env:"MAX_DEPTH" default:"32" placeholder:"N" help:"levels of objects and arrays in a document, at most 128"`
	MaxKeys     int `env:"MAX_KEYS" default:"10000" placeholder:"N" help:"keys of all objects in a document, at most 100000"`

	HistoryVersions int           `env:"HISTORY_VERSIONS" default:"100" placeholder:"N" help:"versions of each document that the history keeps, however old"`
	HistoryAge      time.Duration `env:"HISTORY_AGE" default:"24h" placeholder:"DURATION" help:"how long the history keeps every version, at least 24h: so long a repeated write is recognized"`
}

// leastAge is how long an idempotency key is promised to be recognized. The keys live in the
// history.
const leastAge = 24 * time.Hour

// Validate tells which limit makes no sense.
func (c Config) Validate() error {
	const mostLanes = 1000 // far more than a Postgres has connections for
	for _, v := range []struct {
		name     string
		n        int
		min, max int
	}{
		{"READ_LANES", c.ReadLanes, 1, mostLanes},
		{"WRITE_LANES", c.WriteLanes, 1, mostLanes},
		{"BATCH_SIZE", c.BatchSize, 1, math.MaxInt32},
		{"QUEUE_SIZE", c.QueueSize, 1, math.MaxInt32},
		{"QUEUE_BYTES", c.QueueBytes, 1, math.MaxInt32},
		{"MAX_DOCUMENT_BYTES", c.MaxDocument, 1024, messages.MaxDocument},
		{"MAX_DEPTH", c.MaxDepth, 1, 128},
		{"MAX_KEYS", c.MaxKeys, 1, 100_000},
		{"HISTORY_VERSIONS", c.HistoryVersions, 1, math.MaxInt32},
	} {
		if v.n < v.min || v.n > v.max {
			return fmt.Errorf("%s must be at least %d and at most %d, not %d", v.name, v.min, v.max,
				v.n)
		}
	}
	if c.DrainTimeout <= 0 {
		return fmt.Errorf("DRAIN_TIMEOUT must be positive, not %v", c.DrainTimeout)
	}
	if c.HistoryAge < leastAge {
		return fmt.Errorf("HISTORY_AGE must be at least %v, not %v: so long an idempotency key is recognized", leastAge, c.HistoryAge)
	}
	return nil
}

// Connections is how many database connections the worker uses. All lanes of reads have one, or all
// of writes, and two are left for the others, for what tells whether the database is there and for
// what prunes the history. Nothing holds one while it waits for another, so those beyond that wait
// for a batch to end. 16 workers stay below the 100 that Postgres allows unless told otherwise.
func (c Config) Connections() int32 {
	return int32(max(c.ReadLanes, c.WriteLanes) + 2) //nolint:gosec // Validate bounds them
}

func (c Config) limits() settings.Limits {
	return settings.Limits{Bytes: c.MaxDocument, Depth: c.MaxDepth, Keys: c.MaxKeys}
}

func (c Config) retention() store.Retention {
	return store.Retention{Versions: c.HistoryVersions, Age: c.HistoryAge}
}

// described is what documents and histories are held to, as [messages.ActionLimits] answers it.
func (c Config) described() ([]byte, error) {
	type document struct {
		Bytes        int `json:"bytes"`
		Depth        int `json:"depth"`
		Keys         int `json:"keys"`
		KeyBytes     int `json:"keyBytes"`
		NumberDigits int `json:"numberDigits"`
	}
	type history struct {
		Versions int `json:"versions"`
		Hours    int `json:"hours"`
	}
	return json.Marshal(struct {
		Document document `json:"document"`
		History  history  `json:"history"`
	}{
		document{c.MaxDocument, c.MaxDepth, c.MaxKeys, settings.MaxKey, settings.MaxDigits},
		history{c.HistoryVersions, int(c.HistoryAge.Hours())},
	})
}
