package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/outset-settings/outset/internal/settings"
)

// Write applies the operations and returns the outcome of each, in the order given,
// once Postgres has committed them. Operations of one user are applied in that
// order, too. None fails because of another.
//
// A row that somebody else has locked is passed over at first, so that it holds
// nobody else up. Then those that were passed over wait for their rows
// together, and at last each that is free by then is done.
func (s *Store) Write(ctx context.Context, writes []Write) []Written {
	outcomes := make([]Written, len(writes))
	b := &batch{store: s}
	for i := range writes {
		b.add(&writes[i], &outcomes[i])
	}
	for _, wait := range []waiting{passOver, waitForRows, passOver} {
		b.write(ctx, wait)
		if b = b.held(); len(b.writes) == 0 {
			return outcomes
		}
	}
	b.fail(fmt.Errorf("%w: %w", ErrUnavailable, errHeld))
	return outcomes
}

// waiting is what to do about a row that somebody else has locked.
type waiting string

const (
	passOver    waiting = "for update skip locked"
	waitForRows waiting = "for update" // up to lockTimeout
)

// errHeld is the outcome of an operation whose row was passed over. It doesn't leave
// the package as it is.
var errHeld = errors.New("somebody else has locked the row")

// batch is operations that share transactions, with where their outcomes go.
type batch struct {
	store    *Store
	writes   []*Write
	outcomes []*Written
	// unknown: an attempt has ended without an answer. From then on only success
	// tells what became of the operations.
	unknown bool
}

func (b *batch) add(w *Write, outcome *Written) {
	b.writes = append(b.writes, w)
	b.outcomes = append(b.outcomes, outcome)
}

// held returns the operations that were passed over.
func (b *batch) held() *batch {
	rest := &batch{store: b.store, unknown: b.unknown}
	for i, o := range b.outcomes {
		if errors.Is(o.Err, errHeld) {
			rest.add(b.writes[i], o)
		}
	}
	return rest
}

// halves splits the batch.
func (b *batch) halves() [2]*batch {
	n := len(b.writes) / 2
	return [2]*batch{
		{store: b.store, writes: b.writes[:n], outcomes: b.outcomes[:n], unknown: b.unknown},
		{store: b.store, writes: b.writes[n:], outcomes: b.outcomes[n:], unknown: b.unknown},
	}
}

func (b *batch) fail(err error) {
	if b.unknown {
		err = fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	}
	for _, o := range b.outcomes {
		*o = Written{Err: err}
	}
}

// write fills in the outcomes. Where one operation may have spoilt the batch it tries
// again with each half, so that a single bad one costs 2·log₂(n) transactions.
func (b *batch) write(ctx context.Context, wait waiting) {
	err := retry(ctx, func() error {
		err := b.transact(ctx, wait)
		b.unknown = b.unknown || errors.Is(err, ErrOutcomeUnknown)
		return err
	}, transient)
	switch {
	case err == nil:
	case locked(err):
		b.fail(errHeld)
	case oneAtFault(err) && len(b.writes) > 1:
		for _, half := range b.halves() {
			half.write(ctx, wait)
			b.unknown = b.unknown || half.unknown // for those of it that were passed over
		}
	case oneAtFault(err):
		b.fail(fmt.Errorf("the database refuses this write: %w", err))
	default:
		b.fail(fmt.Errorf("%w: %w", ErrUnavailable, err))
	}
}

// transact applies the operations in one transaction. It returns an error that wraps
// ErrOutcomeUnknown if it can't say whether they were applied. Any other error
// means that none was, and that the outcomes are not to be used.
func (b *batch) transact(ctx context.Context, wait waiting) error {
	conn, err := b.store.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	// A connection that is still in a transaction is closed and not reused, which
	// rolls the transaction back, too.
	defer conn.Release()

	state, err := lock(ctx, conn, b.writes, wait)
	if err == nil {
		for i, w := range b.writes {
			*b.outcomes[i] = state.apply(w)
		}
		if len(state.log) > 0 {
			err = state.commit(ctx, conn)
		}
	}
	if conn.Conn().PgConn().TxStatus() != idle {
		// Nothing was committed, and if this fails the connection is closed.
		_, _ = conn.Exec(ctx, `rollback`)
	}
	return err
}

// idle is what Postgres reports of a connection that is in no transaction.
const idle = 'I'

// row is a user's document inside the transaction.
type row struct {
	version int64
	bytes   []byte
	changed bool
}

// key names an operation in the log.
type key struct{ user, id string }

// entry is a line of the log.
type entry struct {
	key
	version     int64
	fingerprint []byte
	document    []byte
}

// state is what a transaction has locked and read, and what it is going to write.
type state struct {
	users   []string // sorted, each once
	rows    map[string]*row
	applied map[key]entry // operations that the log has, or will have with this commit
	log     []entry       // what this transaction appends
	now     time.Time     // the database's clock, read after the last lock was granted
	until   time.Time     // the earliest deadline of what is applied; zero: none
}

// lock begins the transaction, locks the rows of all users and reads what the
// operations need. All of it is one round trip.
func lock(ctx context.Context, conn *pgxpool.Conn, writes []*Write, wait waiting) (*state, error) {
	s := &state{
		users:   make([]string, 0, len(writes)),
		rows:    make(map[string]*row, len(writes)),
		applied: make(map[key]entry),
	}
	owners, ids := make([]string, len(writes)), make([]string, len(writes))
	for i, w := range writes {
		s.users = append(s.users, w.User)
		owners[i], ids[i] = w.User, w.ID
	}
	slices.Sort(s.users)
	s.users = slices.Compact(s.users)

	var b pgx.Batch
	b.Queue(`begin`)
	// A row that isn't there can't be locked, so new users get one first. Two workers
	// that race for a new user meet here: the second waits for the first to commit.
	b.Queue(`
		insert into settings (user_id, version, updated_at)
		select user_id, 0, clock_timestamp() from unnest($1::text[]) as new (user_id)
		on conflict do nothing`, s.users)
	b.Queue(`
		select user_id, version, document
		from settings
		where user_id = any($1::text[])
		order by user_id
		`+string(wait), s.users).Query(s.readRows)
	// A statement of its own, after the locks were granted: its snapshot has what
	// those who held them committed.
	b.Queue(`
		select user_id, operation_id, version, fingerprint
		from settings_log
		join unnest($1::text[], $2::text[]) as asked (user_id, operation_id) using (user_id, operation_id)`,
		owners, ids).Query(s.readLog)
	b.Queue(`select clock_timestamp()`).QueryRow(func(r pgx.Row) error { return r.Scan(&s.now) })
	if err := conn.SendBatch(ctx, &b).Close(); err != nil {
		return nil, fmt.Errorf("locking: %w", err)
	}
	return s, nil
}

func (s *state) readRows(rows pgx.Rows) error {
	var (
		user     string
		version  int64
		document []byte
	)
	_, err := pgx.ForEachRow(rows, []any{&user, &version, &document}, func() error {
		s.rows[user] = &row{version: version, bytes: document}
		document = nil
		return nil
	})
	return err
}

func (s *state) readLog(rows pgx.Rows) error {
	var e entry
	_, err := pgx.ForEachRow(rows, []any{&e.user, &e.id, &e.version, &e.fingerprint}, func() error {
		s.applied[e.key] = e
		e.fingerprint = nil
		return nil
	})
	return err
}

// apply computes what one operation does, in memory. The log is asked before
// anything else is judged, the deadline included: what was applied in time stays so.
func (s *state) apply(w *Write) Written {
	k := key{w.User, w.ID}
	if earlier, ok := s.applied[k]; ok {
		if !bytes.Equal(earlier.fingerprint, w.Fingerprint) {
			return Written{Err: ErrIDReused}
		}
		return Written{Version: earlier.version, Replayed: true}
	}
	if !w.Deadline.IsZero() && !s.now.Before(w.Deadline) {
		return Written{Err: ErrExpired}
	}
	r := s.rows[w.User]
	if r == nil { // passed over, or deleted while we waited for another
		return Written{Err: errHeld}
	}
	current := r.bytes
	if current == nil {
		current = []byte(settings.Empty)
	}
	next, err := w.Change(current)
	if err != nil {
		return Written{Err: err}
	}
	r.version++
	r.bytes, r.changed = next, true
	e := entry{key: k, version: r.version, fingerprint: w.Fingerprint, document: next}
	s.applied[k] = e
	s.log = append(s.log, e)
	if !w.Deadline.IsZero() && (s.until.IsZero() || w.Deadline.Before(s.until)) {
		s.until = w.Deadline
	}
	return Written{Version: r.version}
}

// commit writes rows and log and commits, in one round trip.
func (s *state) commit(ctx context.Context, conn *pgxpool.Conn) error {
	var b pgx.Batch
	s.queueGuard(&b)
	s.queueRows(&b)
	s.queueLog(&b)
	b.Queue(`commit`)

	// The caller's context must not end here: it would leave the outcome unknown.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	if err := conn.SendBatch(ctx, &b).Close(); err != nil {
		if definite(err) {
			return fmt.Errorf("writing: %w", err)
		}
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	}
	return nil
}

// queueGuard stops a worker that was paused between the two pipelines (a frozen
// host, a suspended laptop) from applying what its asker has long given up. Only an error can stop a
// pipeline whose commit is already sent; this one is a division by zero.
func (s *state) queueGuard(b *pgx.Batch) {
	if !s.until.IsZero() {
		b.Queue(`select 1 / (clock_timestamp() < $1)::int`, s.until)
	}
}

func (s *state) queueRows(b *pgx.Batch) {
	var (
		users     []string
		versions  []int64
		documents []string
	)
	for _, user := range s.users {
		if r := s.rows[user]; r != nil && r.changed {
			users = append(users, user)
			versions = append(versions, r.version)
			documents = append(documents, string(r.bytes))
		}
	}
	b.Queue(`
		update settings
		set version = new.version, document = new.document::json, updated_at = clock_timestamp()
		from unnest($1::text[], $2::bigint[], $3::text[]) as new (user_id, version, document)
		where settings.user_id = new.user_id`, users, versions, documents)
}

func (s *state) queueLog(b *pgx.Batch) {
	n := len(s.log)
	users, ids, documents := make([]string, n), make([]string, n), make([]string, n)
	versions, fingerprints := make([]int64, n), make([][]byte, n)
	for i, e := range s.log {
		users[i], ids[i], documents[i] = e.user, e.id, string(e.document)
		versions[i], fingerprints[i] = e.version, e.fingerprint
	}
	b.Queue(`
		insert into settings_log (user_id, version, operation_id, fingerprint, document, applied_at)
		select user_id, version, operation_id, fingerprint, document::json, clock_timestamp()
		from unnest($1::text[], $2::bigint[], $3::text[], $4::bytea[], $5::text[])
			as new (user_id, version, operation_id, fingerprint, document)`,
		users, versions, ids, fingerprints, documents)
}
