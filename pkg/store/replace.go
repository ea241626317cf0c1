package store

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// minReplacements is how many replacements are worth a transaction of their own beside other
// writes.
const minReplacements = 8

// replace applies the batch's unconditional replacements with one statement, in one round trip and
// one transaction. It returns the writes that are left: those of other kinds, those that the
// statement passed over, and all of them if it failed. [batch.transact] could do all of this, too,
// but takes twice the processor time: 30,800 replacements a second instead of 52,500 in batches of
// 64.
//
// The statement waits for rows that others have locked, up to the lock timeout, since passing over
// them would double the cost.
func (b *batch) replace(ctx context.Context) *batch {
	if b.store.replacePaused() {
		return b
	}
	schema := b.store.schema.Load()
	chosen := b.valid(b.unconditional(), schema)
	if n := len(chosen); n == 0 || n < minReplacements && n < len(b.writes) {
		return b
	}
	conn, err := b.store.acquire(ctx)
	if err != nil { // transact can't have one either, and reports why
		return b
	}
	defer b.store.release(conn)
	applied, err := b.store.replaceAll(ctx, conn, chosen, schema)
	_ = b.store.doubt(conn, err)
	if err != nil {
		if lockTimedOut(err) || statementTimedOut(err) {
			b.store.pauseReplace()
		}
		b.unknown = !definite(err)
		return b
	}
	return b.without(applied)
}

// without returns the batch without the writes that were applied, and fills in their outcomes. None
// of their users has another write in the batch.
func (b *batch) without(applied map[string]newVersion) *batch {
	return b.filter(func(i int) bool {
		w := b.writes[i]
		v, ok := applied[w.User]
		if ok {
			*b.outcomes[i] = Written{
				Document: newDocument(v.version, w.Replace, v.modified),
				added:    counted(w.Replace), written: v.written,
			}
		}
		return !ok
	})
}

// pauseReplace makes transact do all replacements for a while.
func (s *Store) pauseReplace() {
	until := time.Now().Add(s.timeouts.replacePause) // with the monotonic clock, which nobody sets
	s.replacePausedUntil.Store(&until)
}

// replacePaused reports whether transact does all replacements for now.
func (s *Store) replacePaused() bool {
	until := s.replacePausedUntil.Load()
	return until != nil && time.Now().Before(*until)
}

// unconditional returns the writes that replace whatever there is, of users who have no other write
// in the batch. It leaves out those that have expired, since the statement fails for all if a
// deadline passes meanwhile.
func (b *batch) unconditional() []*Write {
	count := make(map[string]int, len(b.writes)) // by user
	for _, w := range b.writes {
		count[w.User]++
	}
	now := b.store.clock.Now()
	var chosen []*Write
	for _, w := range b.writes {
		if count[w.User] == 1 && w.Replace != nil && w.If == nil && w.Wrong == nil &&
			now.Before(orNever(w.Deadline)) {
			chosen = append(chosen, w)
		}
	}
	return chosen
}

// valid returns the writes whose documents satisfy the schema, sorted by user. It checks small
// documents first, and leaves out those for which timeouts.computing is not enough. The rest is
// left to transact, which reads the current schema: a document may satisfy that.
func (b *batch) valid(writes []*Write, schema *Schema) []*Write {
	slices.SortFunc(writes, func(v, w *Write) int {
		return cmp.Compare(len(v.Replace), len(w.Replace))
	})
	valid, now := writes[:0], time.Now()
	until := now.Add(b.store.timeouts.computing)
	for _, w := range writes {
		if now.After(until) {
			break
		}
		if w.check(w.Replace, schema) == nil {
			valid = append(valid, w)
		}
		now = w.charge(now)
	}
	slices.SortFunc(valid, func(v, w *Write) int { return strings.Compare(v.User, w.User) })
	return valid
}

// check checks the document that the write makes against the schema. A replacement keeps its last
// result, so that retries with the same schema need not check it again.
func (w *Write) check(document []byte, schema *Schema) error {
	if w.User == SchemaUser {
		return nil
	}
	if w.Replace == nil {
		return schema.Check(document)
	}
	if w.checkedWith != schema {
		w.checkedWith, w.checkErr = schema, schema.Check(document)
	}
	return w.checkErr
}

// replaceQuery saves the documents, in the order of their users, appends them to the log, and notes
// the users for those who follow changes. It passes over a write that is late, one whose id, a
// client's key, the log has, one that may have been applied before its user was erased, and one
// that may share the document that there is. An id that the API made is hardly ever in the log
// already; if it is, the log's unique index fails the statement.
//
// What goes into the log is found by binary search for the user in $1, which is sorted. A join
// would compare each user with each, as neither side has an index.
const replaceQuery = `
	with saved as (
		insert into settings (user_id, version, document, updated_at, written)
		select user_id, 1, document::json, clock_timestamp(), size + $13
		from unnest($1::text[], $2::text[], $3::boolean[], $6::text[], $8::timestamptz[],
		            $7::bigint[])
			as new (user_id, operation_id, keyed, document, deadline, size)
		where clock_timestamp() < deadline
		  and not (keyed and exists (
		      select from settings_log log
		      where log.user_id = new.user_id and log.operation_id = new.operation_id))
		on conflict (user_id) do update
		set version = settings.version + 1, document = excluded.document,
		    updated_at = clock_timestamp(), written = settings.written + excluded.written
		where (settings.erased_at is null or settings.erased_at < $9)
		  and (excluded.written < $14
		       or settings.document::text is distinct from excluded.document::text)
		returning user_id, version, document, updated_at, written
	), noted as (
		insert into settings_changes (users, changed_at)
		select array_agg(user_id order by user_id), clock_timestamp()
		from saved
		having count(*) > 0
	)
	insert into settings_log (user_id, version, operation_id, fingerprint, operation, created,
	                          document, size, written, applied_at, actor_kind, actor_subject,
	                          actor_token)
	select user_id, version, ($2::text[])[i], ($4::bytea[])[i], ($5::text[])[i], false, document,
	       ($7::bigint[])[i], written, updated_at, ($10::smallint[])[i], ($11::text[])[i],
	       ($12::text[])[i]
	from saved cross join lateral width_bucket(user_id collate "C", $1::text[]) as i
	returning user_id, version, applied_at, written`

// replaceGuard fails, by a division by zero, if a deadline has passed, the schema isn't the one
// that the documents were checked with, or one of the writes may be fenced. Fences are rare, so
// their times are enough here.
const replaceGuard = `
	select 1 / (clock_timestamp() < $4 and ` + isSchema + ` and not exists (
	    select from settings_fences where issued between $5 and $6))::int`

// newVersion is the version that a replacement has made.
type newVersion struct {
	version  int64
	modified time.Time
	written  int64 // see row
}

// replaceAll applies the writes, which are valid under the schema and sorted by user. It returns
// the new versions of the users whose writes were applied. After an error none was, unless the
// error isn't definite.
func (s *Store) replaceAll(ctx context.Context, conn *pgxpool.Conn, writes []*Write,
	schema *Schema,
) (map[string]newVersion, error) {
	n := len(writes)
	users, ids, operations := make([]string, n), make([]string, n), make([]string, n)
	keyed, fingerprints, documents := make([]bool, n), make([][]byte, n), make([][]byte, n)
	sizes, deadlines := make([]int64, n), make([]time.Time, n)
	actors := newActors(n)
	firstIssued, firstDeadline := never, never
	for i, w := range writes {
		users[i], ids[i], operations[i] = w.User, w.ID, w.Operation
		keyed[i], fingerprints[i], documents[i] = w.Keyed, w.Fingerprint, w.Replace
		sizes[i], deadlines[i] = int64(len(w.Replace)), orNever(w.Deadline)
		actors.set(i, &w.Actor)
		firstIssued = earlier(firstIssued, w.Issued)
		firstDeadline = earlier(firstDeadline, w.Deadline)
	}
	ctx, cancel := s.committing(ctx)
	defer cancel()
	applied := make(map[string]newVersion, n)
	var b pgx.Batch
	b.Queue(replaceQuery, users, ids, keyed, fingerprints, operations, documents, sizes, deadlines,
		firstIssued, actors.kinds, actors.subjects, actors.tokens, versionOverhead,
		sharedBytes+versionOverhead,
	).Query(func(rows pgx.Rows) error {
		var (
			user string
			v    newVersion
			into = []any{&user, &v.version, &v.modified, &v.written}
		)
		_, err := pgx.ForEachRow(rows, into, func() error {
			applied[user] = v
			return nil
		})
		return err
	})
	// The statement may have waited for rows, so this comes after it.
	from, to := issuedBetween(writes)
	b.Queue(replaceGuard, SchemaUser, schema.Version, schema.Modified, firstDeadline, from, to)
	// Without a begin both statements are one transaction, which the end of the pipeline commits.
	// The rows are received before that, so they don't prove anything yet.
	if err := s.figures.replace.time(ctx, func() error {
		return conn.SendBatch(ctx, &b).Close()
	}); err != nil {
		return nil, err
	}
	return applied, nil
}

// never is later than any time of a clock.
var never = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// orNever returns a time that Postgres has: never for none and for a later one, which would wrap
// around on the way, and the beginning of all times for an earlier one.
func orNever(t time.Time) time.Time {
	switch {
	case t.IsZero() || t.After(never):
		return never
	case t.Before(time.Unix(0, 0)):
		return time.Unix(0, 0)
	}
	return t
}
