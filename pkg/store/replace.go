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

// worthwhile is how many replacements are worth a transaction of their own beside the rest of a
// batch.
const worthwhile = 8

// blockedFor is how long replacements aren't tried at once after they have waited in vain for a row
// (lockTimeout): much longer than that, so that a row that is held for minutes costs others little.
const blockedFor = 5 * time.Second

// replace applies, at once and in one round trip, the operations that need to know nothing of what
// they replace, and returns the rest of the batch: what it isn't for, and what it could not do.
// Postgres itself counts the versions on, and judges deadlines and erasures. It does no more than
// the rest of the package, for half of the processor time: batches of 64, 52,500 a second and not
// 30,800.
//
// A row that somebody else has locked is waited for here, up to lockTimeout, since to pass over it
// costs as much again. After that the long way is taken for a while, which does pass over it.
func (b *batch) replace(ctx context.Context) *batch {
	schema := b.store.schema.Load()
	plain := b.plain()
	if len(plain) == 0 || len(plain) < len(b.writes) && len(plain) < worthwhile ||
		b.store.blocked() {
		return b
	}
	if plain = b.fitting(plain, schema); len(plain) == 0 {
		return b
	}
	conn, err := b.store.pool.Acquire(ctx)
	if err != nil { // so it can't be done the long way either, which says why
		return b
	}
	replaced, err := replaceAll(ctx, conn, b.writes, plain, schema)
	conn.Release()
	switch {
	case locked(err) || timedOut(err):
		b.store.blockedUntil.Store(time.Now().Add(blockedFor).UnixNano())
	case err != nil && !definite(err):
		b.unknown = true
	}
	rest := &batch{store: b.store, unknown: b.unknown, most: b.most}
	for i, w := range b.writes {
		if d, ok := replaced[w.User]; ok { // the only one of its user
			*b.outcomes[i] = Written{Document: newDocument(d.version, w.Replace, d.modified)}
		} else {
			rest.add(w, b.outcomes[i])
		}
	}
	return rest
}

func (s *Store) blocked() bool { return time.Now().UnixNano() < s.blockedUntil.Load() }

// plain returns the places of the operations that replace whatever there is, of users who have no
// other in the batch. What has expired, even if by our clock only, is left to the long way: it
// would fail the others.
func (b *batch) plain() []int {
	writes := make(map[string]int, len(b.writes)) // by user
	for _, w := range b.writes {
		writes[w.User]++
	}
	now := time.Now()
	var plain []int
	for i, w := range b.writes {
		if writes[w.User] == 1 && w.Replace != nil && w.If == nil && w.Wrong == nil &&
			now.Before(orNever(w.Deadline)) {
			plain = append(plain, i)
		}
	}
	return plain
}

// fitting returns those of the places whose documents are as the schema wants them, in the order of
// the users. The others go the long way, since the schema may be another by now; so do those that
// there was no time to look at, the largest.
func (b *batch) fitting(places []int, schema *Schema) []int {
	slices.SortFunc(places, func(i, j int) int {
		return cmp.Compare(len(b.writes[i].Replace), len(b.writes[j].Replace))
	})
	fitting, enough := places[:0], time.Now().Add(maxComputing)
	for _, i := range places {
		if time.Now().After(enough) {
			break
		}
		if b.writes[i].judge(b.writes[i].Replace, schema) == nil {
			fitting = append(fitting, i)
		}
	}
	slices.SortFunc(fitting, func(i, j int) int {
		return strings.Compare(b.writes[i].User, b.writes[j].User)
	})
	return fitting
}

// judge holds what the operation makes to the schema. A document that it only has to replace
// another with is looked at once.
func (w *Write) judge(document []byte, schema *Schema) error {
	if w.User == SchemaUser {
		return nil
	}
	if w.Replace == nil {
		return schema.Check(document)
	}
	if w.judgedBy != schema {
		w.judgedBy, w.verdict = schema, schema.Check(document)
	}
	return w.verdict
}

// replaced is what became of a replacement.
type replaced struct {
	version  int64
	modified time.Time
}

// Unless the schema is the one that the documents were held to, none is done. The rows are found,
// and locked, in the order of the users. What the log gets comes out of the update, so that no row
// is looked up twice. A write with a key of the client's may have been applied long ago, so the log
// is asked; an id of the API's hardly ever was, and if it was the log's unique index fails the
// statement.
const replaceQuery = `
	with done as (
		update settings
		set version = settings.version + 1, document = new.document::json, updated_at = clock_timestamp()
		from unnest($1::text[], $2::text[], $3::bytea[], $4::text[], $5::text[], $6::bigint[], $7::timestamptz[], $8::timestamptz[])
			as new (user_id, operation_id, fingerprint, operation, document, size, issued, deadline)
		where settings.user_id = new.user_id
		  and (settings.erased_at is null or settings.erased_at < new.issued)
		  and clock_timestamp() < new.deadline
		  and (new.fingerprint = '' or not exists (
		       select from settings_log earlier where earlier.user_id = new.user_id and earlier.operation_id = new.operation_id))
		  and ` + isSchema + `
		returning settings.user_id, settings.version, new.operation_id, new.fingerprint, new.operation, settings.document, new.size, settings.updated_at)
	insert into settings_log (user_id, version, operation_id, fingerprint, operation, created, document, size, applied_at)
	select user_id, version, operation_id, fingerprint, operation, false, document, size, updated_at from done
	returning user_id, version, applied_at`

// replaceAll applies the writes at these places, which are as the schema wants them. What isn't in
// its result was not applied; with an error that holds for all of them, unless it leaves open
// whether they were.
func replaceAll(ctx context.Context, conn *pgxpool.Conn, writes []*Write, places []int,
	schema *Schema,
) (map[string]replaced, error) {
	n := len(places)
	users, ids, operations, documents := make([]string, n), make([]string, n), make([]string, n),
		make([][]byte, n)
	fingerprints, sizes := make([][]byte, n), make([]int64, n)
	issued, deadlines := make([]time.Time, n), make([]time.Time, n)
	var until time.Time
	for i, place := range places {
		w := writes[place]
		until = earlier(until, w.Deadline)
		users[i], ids[i], operations[i], documents[i], fingerprints[i] = w.User, w.ID, w.Operation,
			w.Replace, w.Fingerprint
		sizes[i], issued[i], deadlines[i] = int64(len(w.Replace)), orNever(w.Issued),
			orNever(w.Deadline)
	}
	// The caller's context must not end here: it would leave the outcome unknown.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	done := make(map[string]replaced, n)
	var b pgx.Batch
	b.Queue(replaceQuery, users, ids, fingerprints, operations, documents, sizes, issued, deadlines,
		SchemaUser, schema.Version, schema.Modified).Query(func(rows pgx.Rows) error {
		var (
			user string
			r    replaced
		)
		_, err := pgx.ForEachRow(rows, []any{&user, &r.version, &r.modified}, func() error {
			done[user] = r
			return nil
		})
		return err
	})
	queueGuard(&b, until) // it may have waited for rows
	// Without a begin both are one transaction, which the end of the pipeline commits. Before that
	// its rows say nothing.
	if err := conn.SendBatch(ctx, &b).Close(); err != nil {
		return nil, err
	}
	return done, nil
}

// never is later than any time that Postgres tells.
var never = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

func orNever(t time.Time) time.Time {
	if t.IsZero() {
		return never
	}
	return t
}
