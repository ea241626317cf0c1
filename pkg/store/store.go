// Package store keeps the settings in Postgres, the only place where Outset has state. Changes of
// documents, conditions and most errors in its API are of package internal/settings, so only this
// repository can use it.
//
// Reads and writes come in batches. A batch of reads or of replacements is one round trip, a batch
// of other writes two, however many operations it has.
//
// # A batch of replacements
//
// An unconditional replacement doesn't depend on the current document, so Postgres can do it alone.
// One statement inserts or replaces the documents, counts their versions and appends to the log. It
// passes over what it must not apply (an expired deadline, a repetition), or fails as a whole. What
// is left is written like all other writes, which gives it its outcome.
//
// # A batch of other writes
//
// One READ COMMITTED transaction, sent in two pipelines:
//
//  1. Make sure that each user has a row, lock the rows in the order of their ids, look up which
//     operation ids the log has already and what is to be restored from it, read the clock.
//  2. Write the rows and the log, check the deadlines once more, and commit. What each operation
//     makes of its document has been computed in Go before that: first the first operation of
//     each user, then the second of each, and so on.
//
// Rows that another transaction has locked are passed over, so that only their own operations are
// held up. These get a second transaction, which waits for the rows.
//
// The row lock decides between workers that write to one user. The log decides whether an operation
// was applied before: its id is recorded in the transaction that applies it, so both are there or
// neither. A repetition gets the first answer again, before any deadline or condition is checked.
//
// # Documents, versions and the log
//
// Every write that is applied increments the user's version, also a deletion, an erasure and a
// change that changes nothing. The log has a row for each version, with the document that it made
// unless that is a large one and the same as before (shared.go). It serves repetitions, history and
// restoring alike.
//
// A deletion makes a version without a document. An erasure also removes the user's rows from the
// log, or hides them until Prune removes them (erase.go). It adds a row of its own, so that its
// repetition doesn't erase what was written since; nobody can read or restore that row. A
// repetition of another write that was erased finds no row. It is recognised by the time when it
// was issued, and refused.
//
// Prune removes from the log what need not be kept any more. Documents that exceed the budget of a
// user's history leave it at once, without their rows (budget.go).
//
// # The schema
//
// Documents must satisfy the schema, which is the document of [SchemaUser]. Every transaction that
// writes reads its version after the rows are locked, so that a schema holds for all writes that
// are applied after it was put. A Store keeps the last schema that it saw, which is usually still
// the current one.
package store

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/outset-settings/outset/internal/clock"
)

// No connection is used for longer than this: a name may lead elsewhere by then, and what a server
// keeps for a session only grows.
const (
	connectionLife       = 15 * time.Minute
	connectionLifeJitter = 5 * time.Minute
)

// timeouts are those that tests change.
type timeouts struct {
	// How long Postgres lets one of our transactions wait, so that a worker that is frozen in the
	// middle of one doesn't hold its rows for ever.
	lock      time.Duration // for rows that another transaction has locked
	shortLock time.Duration // the same, where many such waits may follow each other
	statement time.Duration
	idle      time.Duration // between the two pipelines

	connect time.Duration // to one host
	// How long we wait for the answer to a pipeline that commits.
	commit time.Duration
	// How long a transaction computes new documents. What it doesn't get to is left to the next
	// one, since others wait for its rows, and Postgres ends a transaction that is idle for too
	// long. A thousand patches of one growing document took seconds.
	computing time.Duration
	// How long transact does all replacements after a statement for them has waited for a row in
	// vain. It is much longer than that wait, so that a row that stays locked for minutes costs
	// other users little.
	replacePause time.Duration
}

var defaultTimeouts = timeouts{
	lock:         300 * time.Millisecond,
	shortLock:    25 * time.Millisecond,
	statement:    3 * time.Second,
	idle:         time.Second,
	connect:      3 * time.Second,
	commit:       5 * time.Second,
	computing:    100 * time.Millisecond,
	replacePause: 5 * time.Second,
}

// Store is a pool of connections to the database. Its methods are safe for concurrent use.
type Store struct {
	pool     *pgxpool.Pool
	renewals atomic.Int64 // how often the connections of the pool were made new
	primary  *primary
	timeouts timeouts
	// Until when, in nanoseconds since 1970, transact does all replacements.
	replacePausedUntil atomic.Pointer[time.Time]
	// The latest schema that was seen. Each transaction checks whether it is still current.
	schema   atomic.Pointer[Schema]
	learning sync.Mutex  // held while a new schema is compiled
	clock    clock.Clock // the database's
	figures  *figures

	historyBytes int64 // see [Store.LimitHistory]
}

// Open returns a Store for the database at url with at most conns connections. It does not connect
// yet: a database that is down isn't an error.
func Open(ctx context.Context, url string, conns int32) (*Store, error) {
	return open(ctx, url, conns, defaultTimeouts)
}

func open(ctx context.Context, url string, conns int32, t timeouts) (*Store, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, addressError(url, err)
	}
	config.MaxConns = conns
	config.MaxConnLifetime, config.MaxConnLifetimeJitter = connectionLife, connectionLifeJitter
	config.ConnConfig.ConnectTimeout = t.connect
	for name, value := range map[string]string{
		"application_name":              "outset-worker",
		"client_encoding":               "UTF8",
		"default_transaction_isolation": "read committed",
		// An acknowledged write is durable, whatever the server's default.
		"synchronous_commit":                  "on",
		"timezone":                            "UTC",
		"lock_timeout":                        milliseconds(t.lock),
		"statement_timeout":                   milliseconds(t.statement),
		"idle_in_transaction_session_timeout": milliseconds(t.idle),
		// Every statement finds its rows by key. The planner doesn't know that the tables, empty
		// when it first sees them, will grow: it chose scans and kept to them (3,800 writes/s
		// instead of 10,000 soon after the start, 256 connections). So it may not, and plans once.
		"enable_seqscan":   "off",
		"enable_hashjoin":  "off",
		"enable_mergejoin": "off",
		"plan_cache_mode":  "force_generic_plan",
		// The planner expects a statement that may read many rows to read them: with 5,000,000
		// users each part of a listing would be compiled for 20 ms and run for 2.
		"jit": "off",
	} {
		config.ConnConfig.RuntimeParams[name] = value
	}
	// Of several hosts it chooses the primary, unless the address says otherwise: a standby would
	// return old documents.
	if config.ConnConfig.ValidateConnect == nil {
		config.ConnConfig.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	s := &Store{
		timeouts: t, primary: newPrimary(&config.ConnConfig.Config), figures: newFigures(),
	}
	config.BeforeConnect = s.primary.choose
	config.AfterConnect = s.remember
	config.BeforeClose = s.primary.closed
	if s.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, fmt.Errorf("DATABASE_URL: %w", err)
	}
	s.schema.Store(&Schema{})
	return s, nil
}

// Clock is the database's clock, as [Store.Ping] has learnt it.
func (s *Store) Clock() *clock.Clock { return &s.clock }

// Close waits for the operations under way and closes all connections.
func (s *Store) Close() { s.pool.Close() }

func milliseconds(d time.Duration) string { return fmt.Sprintf("%dms", d.Milliseconds()) }
