package worker

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/outset-settings/outset/internal/schema"
	"github.com/outset-settings/outset/internal/settings"
	"github.com/outset-settings/outset/internal/tracing"
	"github.com/outset-settings/outset/pkg/messages"
	"github.com/outset-settings/outset/pkg/store"
)

// Config has the settings of a worker.
type Config struct {
	DrainTimeout time.Duration `env:"DRAIN_TIMEOUT" default:"20s" placeholder:"DURATION" help:"how long a stopping worker may take to answer what it has taken"`

	MaxDocument int `name:"max-document-bytes" env:"MAX_DOCUMENT_BYTES" default:"65536" placeholder:"BYTES" help:"bytes of a document, at most 524288"`
	MaxDepth    int `env:"MAX_DEPTH" default:"32" placeholder:"N" help:"levels of objects and arrays in a document, at most 128"`
	MaxKeys     int `env:"MAX_KEYS" default:"10000" placeholder:"N" help:"keys of all objects in a document, at most 100000"`

	HistoryVersions int           `env:"HISTORY_VERSIONS" default:"100" placeholder:"N" help:"versions of each document that the history keeps, however old"`
	HistoryAge      time.Duration `env:"HISTORY_AGE" default:"24h" placeholder:"DURATION" help:"how long the history keeps every version, at least 24h: so long a repeated write is recognized"`
	HistoryBytes    int           `env:"HISTORY_BYTES" default:"16777216" placeholder:"BYTES" help:"bytes of documents in the history of each user, at least MAX_DOCUMENT_BYTES; beyond them the oldest are dropped"`

	AdminToken string `env:"ADMIN_TOKEN" secret:"" hidden:"" placeholder:"TOKEN" help:"a token with the scope admin, outset_NAME_SECRET with 32 or more random letters and digits; valid as long as the workers have it"`

	// LastAction is the highest action that the worker announces and does; zero: all that there
	// are. Tests make a worker of an older generation with it.
	LastAction messages.Action `kong:"-"`

	// Tracer makes the spans of operations that are part of a trace; nil: there are none.
	Tracer *tracing.Tracer `kong:"-"`
}

const (
	// lanes is how many batches of reads, and how many of writes, are under way at once: while some
	// wait for the disk another computes. Three instead of two, here and in the API, raised the
	// ratio to the monolith from 1.65 to 1.67 (reads) and from 1.64 to 1.74 (replacements) with 256
	// connections, and from 1.02 to 1.25 (reads) with 64; see docs/performance.md.
	lanes = 3
	// dearLanes is how many of these may have batches of one principal's dear operations, such as
	// patches of 64 KB, while others are there. Each takes a processor here, one in Postgres, or both.
	dearLanes = 1
	// batchOperations is the most operations of one batch, which bounds the time of a transaction.
	// It is seldom reached: the batches measured with 256 connections are of 70 reads and of 83
	// replacements.
	batchOperations = 512
	// batchCost bounds what others wait for who are in the same batch, as messages.Operation.Cost
	// counts.
	batchCost = 10 * time.Millisecond
	// batchBytes bounds the memory of one batch: 64 of the largest documents.
	batchBytes = 32 << 20
	// queueOperations is how many operations may wait, reads and writes each: 16 of the largest
	// batches of the API for one principal. What exceeds it is refused at once, since another
	// worker may be idle.
	queueOperations = 8192
	queueBytes      = 64 << 20
	// maxWait is how long an operation is expected to wait at most: more is refused at once.
	maxWait = 3 * time.Second

	// Connections is how many database connections a worker uses. All lanes of reads have one, the
	// spare one too, or all of writes, and two are left for the others, for tokens, for readiness and
	// for pruning. Nothing holds one while it waits for another, so those beyond that wait for a
	// batch to end. 16 workers stay below the 100 that Postgres allows by default.
	Connections = lanes + 3
)

// leastAge is how long an idempotency key is promised to be recognized. The keys live in the
// history.
const leastAge = 24 * time.Hour

// maxHistoryBytes is more than a table of Postgres can hold.
const maxHistoryBytes = 1 << 50

// Validate returns an error that names the setting that makes no sense, if there is one.
func (c Config) Validate() error {
	for _, v := range []struct {
		name     string
		n        int
		min, max int
	}{
		{"MAX_DOCUMENT_BYTES", c.MaxDocument, 1024, messages.MaxDocument},
		{"MAX_DEPTH", c.MaxDepth, 1, 128},
		{"MAX_KEYS", c.MaxKeys, 1, 100_000},
		{"HISTORY_VERSIONS", c.HistoryVersions, 1, math.MaxInt32},
		{"HISTORY_BYTES", c.HistoryBytes, c.MaxDocument, maxHistoryBytes},
	} {
		if v.n < v.min || v.n > v.max {
			return fmt.Errorf("%s must be at least %d and at most %d, not %d", v.name, v.min, v.max,
				v.n)
		}
	}
	if c.AdminToken != "" {
		if err := messages.CheckConfiguredToken(c.AdminToken); err != nil {
			return fmt.Errorf("ADMIN_TOKEN: %w", err)
		}
	}
	if c.DrainTimeout <= 0 {
		return fmt.Errorf("DRAIN_TIMEOUT must be positive, not %v", c.DrainTimeout)
	}
	if c.HistoryAge < leastAge {
		return fmt.Errorf(
			"HISTORY_AGE must be at least %v, not %v: so long an idempotency key is recognized",
			leastAge, c.HistoryAge,
		)
	}
	return nil
}

func (c Config) lastAction() messages.Action {
	if c.LastAction == 0 {
		return messages.LastAction
	}
	return c.LastAction
}

func (c Config) limits() settings.Limits {
	return settings.Limits{Bytes: c.MaxDocument, Depth: c.MaxDepth, Keys: c.MaxKeys}
}

func (c Config) retention() store.Retention {
	return store.Retention{Versions: c.HistoryVersions, Age: c.HistoryAge}
}

// limitsJSON is the answer to [messages.ActionLimits].
func (c Config) limitsJSON() ([]byte, error) {
	return json.Marshal(messages.Limits{
		Document: messages.DocumentLimits{
			Bytes: c.MaxDocument, Depth: c.MaxDepth, Keys: c.MaxKeys,
			KeyBytes: settings.MaxKey, NumberDigits: settings.MaxDigits,
		},
		Patch: messages.PatchLimits{
			Depth: c.limits().PatchDepth(), CopyBytes: c.limits().CopyBytes(),
		},
		Schema: messages.SchemaLimits{
			Depth: schema.MaxSchemaDepth, Values: schema.MaxValues, Schemas: schema.MaxSchemas,
			PointerBytes: schema.MaxPointerBytes, PatternBytes: schema.MaxPattern,
			PatternGroups: schema.MaxGroups, Evaluations: schema.MaxEvaluations,
			Chain: schema.MaxChain, Work: schema.MaxWork,
		},
		History: messages.HistoryLimits{
			Versions: c.HistoryVersions, Hours: int(c.HistoryAge.Hours()),
			Bytes: c.HistoryBytes,
		},
	})
}
