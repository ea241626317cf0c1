package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// row is a user's document inside the transaction.
type row struct {
	Document
	changed bool

	erasedAt   time.Time // when the user was last erased before this transaction; zero: never
	tombstones int64     // the log's rows up to this version are those of erasures
	erases     *erasure  // what this transaction does; nil: nothing
}

// erasure is what a transaction removes of a user.
type erasure struct {
	above int64        // the log's rows above this version, as far as it has them already
	ids   map[key]bool // of operations that were found there
}

// key names an operation in the log.
type key struct{ user, id string }

// entry is a line of the log.
type entry struct {
	key
	Document
	fingerprint []byte
	operation   string
	created     bool
}

// place names a version of a user's document.
type place struct {
	user    string
	version int64
}

// state is what a transaction has locked and read, and what it is going to write.
type state struct {
	users   []string // sorted, each once
	rows    map[string]*row
	applied map[key]entry      // operations that the log has, or will have with this commit
	earlier map[place]Document // what is to be restored, as far as the log has it
	log     []entry            // what this transaction appends
	schema  *Schema            // what documents are held to
	now     time.Time          // the database's clock, read after the last lock was granted
	until   time.Time          // the earliest deadline of what is applied; zero: none
}

// lock begins the transaction, locks the rows of all users and reads what the
// operations need. All of it is one round trip.
func (b *batch) lock(ctx context.Context, conn *pgxpool.Conn, p pass) (*state, error) {
	writes := b.writes
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

	var q pgx.Batch
	q.Queue(`begin`)
	if p.setting != "" {
		q.Queue(p.setting)
	}
	// A row that isn't there can't be locked, so new users get one first. Two workers
	// that race for a new user meet here: the second waits for the first to commit.
	q.Queue(`
		insert into settings (user_id, version, updated_at)
		select user_id, 0, clock_timestamp() from unnest($1::text[]) as new (user_id)
		on conflict do nothing`, s.users)
	q.Queue(`
		select user_id, version, document, updated_at, coalesce(erased_version, 0), erased_at
		from settings
		where user_id = any($1::text[])
		order by user_id
		`+p.rows, s.users).Query(s.readRows)
	// Statements of their own, after the locks were granted: their snapshots have what
	// those who held them committed.
	q.Queue(`
		select user_id, operation_id, version, fingerprint, operation, created, document, applied_at
		from settings_log
		join unnest($1::text[], $2::text[]) as asked (user_id, operation_id) using (user_id, operation_id)`,
		owners, ids).Query(s.readLog)
	s.queueEarlier(&q, writes)
	b.store.queueSchema(&q, &s.schema)
	q.Queue(`select clock_timestamp()`).QueryRow(func(r pgx.Row) error { return r.Scan(&s.now) })
	if err := conn.SendBatch(ctx, &q).Close(); err != nil {
		return nil, fmt.Errorf("locking: %w", err)
	}
	s.now = s.now.UTC()
	return s, nil
}

func (s *state) readRows(rows pgx.Rows) error {
	var (
		user       string
		version    int64
		bytes      []byte
		modified   time.Time
		tombstones int64
		erasedAt   *time.Time
	)
	_, err := pgx.ForEachRow(rows, []any{
		&user, &version, &bytes, &modified, &tombstones, &erasedAt,
	}, func() error {
		r := &row{tombstones: tombstones}
		if r.Document = neverSaved(); version > 0 { // else a placeholder row
			r.Document = newDocument(version, bytes, modified)
		}
		if erasedAt != nil {
			r.erasedAt = *erasedAt
		}
		s.rows[user] = r
		bytes, erasedAt = nil, nil // the next row's go to memory of their own
		return nil
	})
	return err
}

func (s *state) readLog(rows pgx.Rows) error {
	var (
		e        entry
		version  int64
		bytes    []byte
		modified time.Time
	)
	into := []any{
		&e.user, &e.id, &version, &e.fingerprint, &e.operation, &e.created, &bytes, &modified,
	}
	_, err := pgx.ForEachRow(rows, into, func() error {
		e.Document = newDocument(version, bytes, modified)
		s.applied[e.key] = e
		e.fingerprint, bytes = nil, nil
		return nil
	})
	return err
}

// queueEarlier looks up the versions that are to be restored, if there are any.
func (s *state) queueEarlier(b *pgx.Batch, writes []*Write) {
	var (
		users    []string
		versions []int64
	)
	for _, w := range writes {
		if w.Restore != 0 {
			users, versions = append(users, w.User), append(versions, w.Restore)
		}
	}
	if len(users) == 0 {
		return
	}
	s.earlier = make(map[place]Document, len(users))
	b.Queue(`
		select user_id, version, document, applied_at
		from settings_log
		join unnest($1::text[], $2::bigint[]) as asked (user_id, version) using (user_id, version)`,
		users, versions).Query(s.readEarlier)
}

func (s *state) readEarlier(rows pgx.Rows) error {
	var (
		p        place
		bytes    []byte
		modified time.Time
	)
	_, err := pgx.ForEachRow(rows, []any{&p.user, &p.version, &bytes, &modified}, func() error {
		s.earlier[p] = newDocument(p.version, bytes, modified)
		bytes = nil
		return nil
	})
	return err
}
