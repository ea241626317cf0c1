package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// lock begins a transaction, locks the rows of all users of the batch, and reads what its writes
// need: log entries that have their ids, the versions to restore, the schema, the fences and the
// clock. All of it is one round trip.
func (b *batch) lock(ctx context.Context, conn *pgxpool.Conn, m lockMode) (*transaction, error) {
	writes := b.writes
	t := &transaction{
		users:   make([]string, 0, len(writes)),
		rows:    make(map[string]*row, len(writes)),
		applied: make(map[operationKey]logEntry), forgotten: make(map[operationKey]bool),
		fenced: make(map[fence]bool),
	}
	owners, ids := make([]string, len(writes)), make([]string, len(writes))
	for i, w := range writes {
		t.users = append(t.users, w.User)
		owners[i], ids[i] = w.User, w.ID
	}
	slices.Sort(t.users)
	t.users = slices.Compact(t.users)

	var q pgx.Batch
	q.Queue(`begin`)
	if m.halve {
		q.Queue("set local lock_timeout = '" + milliseconds(b.store.timeouts.shortLock) + "'")
	}
	// A row that isn't there can't be locked, so new users get a placeholder row. Two workers that
	// race for a new user meet here: the second waits for the first to commit. All rows are
	// inserted before any is locked, else two could wait for each other.
	q.Queue(`
		insert into settings (user_id, version, updated_at)
		select user_id, 0, clock_timestamp() from unnest($1::text[]) as new (user_id)
		where not exists (select from settings where settings.user_id = new.user_id)
		on conflict do nothing`, t.users)
	q.Queue(`
		select user_id, version, document, updated_at, written, coalesce(erased_version, 0),
		       erased_at, coalesce(dropped_version, 0)
		from settings
		where user_id = any($1::text[])
		order by user_id
		`+m.clause, t.users).Query(t.readRows)
	// These statements come after the lock, so their snapshots have what its last holder committed.
	q.Queue(`
		select user_id, operation_id, version, fingerprint, operation, created, `+logged+`,
		       `+isDropped+`, applied_at, exists (
		           select from settings_erased erased
		           where erased.user_id = settings_log.user_id
		             and settings_log.version > erased.above
		             and settings_log.version <= erased.up_to)
		from settings_log
		join unnest($1::text[], $2::text[]) as asked (user_id, operation_id)
			using (user_id, operation_id)`,
		owners, ids).Query(t.readLog)
	t.queueVersions(&q, writes)
	t.queuePrevious(&q, writes)
	b.store.queueSchema(&q, &t.schema)
	t.queueClock(&q, writes)
	if err := b.store.figures.lock.time(ctx, func() error {
		return conn.SendBatch(ctx, &q).Close()
	}); err != nil {
		return nil, fmt.Errorf("locking: %w", err)
	}
	t.now = t.now.UTC()
	return t, nil
}

func (t *transaction) readRows(rows pgx.Rows) error {
	var (
		user          string
		version       int64
		bytes         []byte
		modified      time.Time
		written       int64
		erasedVersion int64
		erasedAt      *time.Time
		dropped       int64
	)
	_, err := pgx.ForEachRow(rows, []any{
		&user, &version, &bytes, &modified, &written, &erasedVersion, &erasedAt,
		&dropped,
	}, func() error {
		r := &row{written: written, dropped: dropped, erasedVersion: erasedVersion}
		if r.Document = neverSaved(); version > 0 { // else a placeholder row
			r.Document = newDocument(version, bytes, modified)
			if erasedVersion == version { // what it erased may have been of the same second
				r.previous = modified
			}
		}
		if erasedAt != nil {
			r.erasedAt = *erasedAt
		}
		t.rows[user] = r
		bytes, erasedAt = nil, nil // the next row's go to memory of their own
		return nil
	})
	return err
}

func (t *transaction) readLog(rows pgx.Rows) error {
	var (
		e        logEntry
		version  int64
		bytes    []byte
		modified time.Time
		dropped  bool
		erased   bool
	)
	into := []any{
		&e.user, &e.id, &version, &e.fingerprint, &e.operation, &e.created, &bytes, &dropped,
		&modified, &erased,
	}
	_, err := pgx.ForEachRow(rows, into, func() error {
		if erased {
			t.forgotten[e.operationKey] = true
		} else {
			e.Document = newLogged(version, bytes, dropped, modified)
			if r := t.rows[e.user]; r != nil && r.Version == version {
				e.Document = r.Document // also if what it shares was dropped
			}
			t.applied[e.operationKey] = e
		}
		e.fingerprint, bytes = nil, nil
		return nil
	})
	return err
}

// queueVersions looks up the versions to restore, if there are any.
func (t *transaction) queueVersions(b *pgx.Batch, writes []*Write) {
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
	t.versions = make(map[versionKey]Document, len(users))
	b.Queue(`
		select user_id, version, `+logged+`, `+isDropped+`, applied_at
		from settings_log
		join unnest($1::text[], $2::bigint[]) as asked (user_id, version) using (user_id, version)`,
		users, versions).Query(t.readVersions)
}

func (t *transaction) readVersions(rows pgx.Rows) error {
	var (
		v        versionKey
		bytes    []byte
		dropped  bool
		modified time.Time
	)
	into := []any{&v.user, &v.version, &bytes, &dropped, &modified}
	_, err := pgx.ForEachRow(rows, into, func() error {
		t.versions[v] = newLogged(v.version, bytes, dropped, modified)
		bytes = nil
		return nil
	})
	return err
}

// queuePrevious looks up when the versions before the current ones were made, if there are dates to
// compare them with. One that was pruned was made long ago: the history has a day at least.
func (t *transaction) queuePrevious(b *pgx.Batch, writes []*Write) {
	var users []string
	for _, w := range writes {
		if w.If != nil && !w.If.UnmodifiedSince.IsZero() {
			users = append(users, w.User)
		}
	}
	if len(users) == 0 {
		return
	}
	b.Queue(`
		select user_id, log.applied_at
		from unnest($1::text[]) as asked (user_id)
		join settings using (user_id)
		join settings_log log using (user_id)
		where log.version = settings.version - 1`, users).Query(t.readPrevious)
}

func (t *transaction) readPrevious(rows pgx.Rows) error {
	var (
		user string
		made time.Time
	)
	_, err := pgx.ForEachRow(rows, []any{&user, &made}, func() error {
		r := t.rows[user] // nil: another transaction has locked it
		if r != nil && r.erasedVersion < r.Version {
			r.previous = made
		}
		return nil
	})
	return err
}
