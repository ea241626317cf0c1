// Package store keeps the settings in Postgres, the only place where Outset has
// state. Reads and writes come in batches: a batch of reads is one round trip, a
// batch of writes two, however many operations it has.
//
// # A batch of writes
//
// One READ COMMITTED transaction, sent in two pipelines:
//
//  1. Make sure that each user has a row, lock the rows in the order of their
//     ids, look up which operation ids the log has already, read the clock.
//  2. What each operation makes of its document has meanwhile been computed in Go,
//     in order of arrival. Write the rows and the log, check the deadlines
//     once more, and commit.
//
// A row that somebody else has locked is passed over, so that it holds up none but its
// own operations: those go through the same once more, and wait for it.
//
// The row lock decides between workers that write to one user. The log decides
// whether an operation was applied before: its id is recorded in the transaction
// that applies it, so both are there or neither, and a repetition is answered
// with the version that it got the first time.
package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/outset-settings/outset/internal/settings"
)

// Why an operation was not done. Unless it wraps [ErrOutcomeUnknown], an error of
// a write means that it surely was not applied.
var (
	// ErrExpired: the deadline had passed, by the database's clock.
	ErrExpired = errors.New("the deadline passed before the write was applied")
	// ErrIDReused: the user's log has the same id with another fingerprint.
	ErrIDReused = errors.New("the operation id was used for another write")
	// ErrUnavailable: the database could not be reached, or refused for now.
	ErrUnavailable = errors.New("the database is unavailable")
	// ErrOutcomeUnknown: the connection broke while the commit was on its way,
	// and asking again did not tell. The same write may be tried again.
	ErrOutcomeUnknown = errors.New("whether the write was applied is unknown")
)

// How long Postgres itself lets one of our transactions wait, so that a worker
// that is frozen in the middle of one doesn't hold its rows for ever.
const (
	lockTimeout      = 300 * time.Millisecond // for rows that somebody else has locked
	statementTimeout = 3 * time.Second
	idleTimeout      = time.Second     // between the two pipelines
	commitTimeout    = 5 * time.Second // for the second pipeline, on our side
	connectTimeout   = 3 * time.Second
)

// Store is a pool of connections to the database. Its methods are safe for
// concurrent use.
type Store struct {
	pool *pgxpool.Pool
}

// Document is a user's settings and how many writes have made them so.
type Document struct {
	Version int64
	Bytes   []byte
}

// Write is one operation that changes a user's document.
type Write struct {
	User        string
	ID          string    // tells it from the user's other writes
	Fingerprint []byte    // what was asked, hashed; compared when the ID is found in the log
	Deadline    time.Time // not applied from then on; zero: none
	Change      settings.Change
}

// Written is the outcome of a [Write].
type Written struct {
	Version  int64
	Replayed bool // applied by an earlier attempt; Version is the one it got then
	Err      error
}

// Open returns a Store for the database at url with at most conns connections. It
// does not connect yet: a database that is down for now isn't an error.
func Open(ctx context.Context, url string, conns int32) (*Store, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("DATABASE_URL: %w", err) // pgx leaves the password out
	}
	config.MaxConns = conns
	config.MaxConnLifetimeJitter = 5 * time.Minute
	config.ConnConfig.ConnectTimeout = connectTimeout
	for name, value := range map[string]string{
		"application_name":                    "outset-worker",
		"client_encoding":                     "UTF8",
		"default_transaction_isolation":       "read committed",
		"synchronous_commit":                  "on", // acknowledged means durable, whatever the server's default
		"timezone":                            "UTC",
		"lock_timeout":                        milliseconds(lockTimeout),
		"statement_timeout":                   milliseconds(statementTimeout),
		"idle_in_transaction_session_timeout": milliseconds(idleTimeout),
		// Every statement finds its rows by key. The planner doesn't know that the tables, empty
		// when it first sees them, will grow: it chose scans and kept to them (3,800 writes/s
		// instead of 10,000 soon after the start, 256 connections). So it may not, and plans once.
		"enable_seqscan":   "off",
		"enable_hashjoin":  "off",
		"enable_mergejoin": "off",
		"plan_cache_mode":  "force_generic_plan",
	} {
		config.ConnConfig.RuntimeParams[name] = value
	}
	// Of several hosts the primary, unless the address says otherwise: a standby would
	// answer reads from the past.
	if config.ConnConfig.ValidateConnect == nil {
		config.ConnConfig.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("DATABASE_URL: %w", err)
	}
	return &Store{pool: pool}, nil
}

// Close waits for the operations under way and closes all connections.
func (s *Store) Close() { s.pool.Close() }

// Ping returns nil if the database answers.
func (s *Store) Ping(ctx context.Context) error { return s.pool.Ping(ctx) }

// Read returns the documents of the users, in the order given. A user who has
// never saved has the document {} with version 0.
func (s *Store) Read(ctx context.Context, users []string) ([]Document, error) {
	var documents []Document
	err := retry(ctx, func() (err error) {
		documents, err = s.read(ctx, users)
		return err
	}, transient)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return documents, nil
}

func (s *Store) read(ctx context.Context, users []string) ([]Document, error) {
	rows, err := s.pool.Query(ctx, `
		select user_id, version, document
		from settings
		where user_id = any($1) and document is not null`, users)
	if err != nil {
		return nil, err
	}
	found := make(map[string]Document, len(users))
	var (
		user string
		d    Document
	)
	if _, err := pgx.ForEachRow(rows, []any{&user, &d.Version, &d.Bytes}, func() error {
		found[user] = d
		d.Bytes = nil // the next row's bytes go to memory of their own
		return nil
	}); err != nil {
		return nil, err
	}
	documents := make([]Document, len(users))
	for i, user := range users {
		if d, ok := found[user]; ok {
			documents[i] = d
		} else {
			documents[i] = Document{Bytes: []byte(settings.Empty)}
		}
	}
	return documents, nil
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%dms", d.Milliseconds()) }
