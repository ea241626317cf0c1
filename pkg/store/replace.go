package store

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// worthwhile is how many replacements are worth a transaction of their own beside the rest of a batch.
const worthwhile = 8

// blockedFor is how long replacements aren't tried at once after they have waited in vain for a row (lockTimeout): much
// longer than that, so that a row that is held for minutes costs others little.
const blockedFor = 5 * time.Second

// replace applies, at once and in one round trip, the operations that need to know nothing of what they replace, and
// returns the rest of the batch: what it isn't for, and what it could not do. Postgres itself counts the versions on,
// and judges deadlines and erasures; an operation id that the log has already fails the statement, and all of the
// batch is left. It does no more than the rest of the package, but does it for a third of the cost.
func (b *batch) replace(ctx context.Context) *batch {
	plain := b.plain()
	if len(plain) == 0 || len(plain) < len(b.writes) && len(plain) < worthwhile || b.store.blocked() {
		return b
	}
	replaced, err := b.store.replaceAll(ctx, b.writes, plain)
	switch {
	case locked(err):
		b.store.blockedUntil.Store(time.Now().Add(blockedFor).UnixNano())
	case err != nil && !definite(err):
		b.unknown = true
	}
	rest := &batch{store: b.store, unknown: b.unknown, most: b.most}
	for i, w := range b.writes {
		if d, ok := replaced[w.User]; ok && w.ID == d.id {
			*b.outcomes[i] = Written{Document: newDocument(d.version, w.Replace, d.modified)}
		} else {
			rest.add(w, b.outcomes[i])
		}
	}
	return rest
}

func (s *Store) blocked() bool { return time.Now().UnixNano() < s.blockedUntil.Load() }

// plain returns the places of the operations that replace whatever there is, of users who have no other in the batch,
// in the order of the users.
func (b *batch) plain() []int {
	places := make([]int, len(b.writes))
	for i := range places {
		places[i] = i
	}
	user := func(place int) string { return b.writes[place].User }
	slices.SortFunc(places, func(i, j int) int { return strings.Compare(user(i), user(j)) })
	plain := places[:0]
	for i := 0; i < len(places); {
		first, n := places[i], 1
		for i+n < len(places) && user(places[i+n]) == user(first) {
			n++
		}
		if w := b.writes[first]; n == 1 && w.Replace != nil && w.If == nil && w.Wrong == nil {
			plain = append(plain, first)
		}
		i += n
	}
	return plain
}

// replaced is what became of a replacement.
type replaced struct {
	id       string
	version  int64
	modified time.Time
}

// The rows are found, and locked, in the order of the users. What the log gets comes out of the update, so that no
// row is looked up twice.
const replaceQuery = `
	with done as (
		update settings
		set version = settings.version + 1, document = new.document::json, updated_at = clock_timestamp(), deleted_version = null
		from unnest($1::text[], $2::text[], $3::bytea[], $4::text[], $5::text[], $6::integer[], $7::timestamptz[], $8::timestamptz[])
			as new (user_id, operation_id, fingerprint, operation, document, size, issued, deadline)
		where settings.user_id = new.user_id
		  and (settings.erased_at is null or settings.erased_at < new.issued)
		  and clock_timestamp() < new.deadline
		returning settings.user_id, settings.version, new.operation_id, new.fingerprint, new.operation, settings.document, new.size, settings.updated_at)
	insert into settings_log (user_id, version, operation_id, fingerprint, operation, created, document, size, applied_at)
	select user_id, version, operation_id, fingerprint, operation, false, document, size, updated_at from done
	returning user_id, operation_id, version, applied_at`

// replaceAll applies the writes at these places. What isn't in its result was not applied, unless the error leaves
// that open.
func (s *Store) replaceAll(ctx context.Context, writes []*Write, places []int) (map[string]replaced, error) {
	n := len(places)
	users, ids, operations, documents := make([]string, n), make([]string, n), make([]string, n), make([][]byte, n)
	fingerprints, sizes := make([][]byte, n), make([]int32, n)
	issued, deadlines := make([]time.Time, n), make([]time.Time, n)
	for i, place := range places {
		w := writes[place]
		users[i], ids[i], operations[i], documents[i], fingerprints[i] = w.User, w.ID, w.Operation, w.Replace, w.Fingerprint
		sizes[i], issued[i], deadlines[i] = int32(len(w.Replace)), orNever(w.Issued), orNever(w.Deadline)
	}
	// The caller's context must not end here: it would leave the outcome unknown.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	rows, err := s.pool.Query(ctx, replaceQuery, users, ids, fingerprints, operations, documents, sizes, issued, deadlines)
	if err != nil {
		return nil, err
	}
	done := make(map[string]replaced, n)
	var (
		user string
		r    replaced
	)
	_, err = pgx.ForEachRow(rows, []any{&user, &r.id, &r.version, &r.modified}, func() error {
		done[user] = r
		return nil
	})
	return done, err
}

// never is later than any time that Postgres tells.
var never = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

func orNever(t time.Time) time.Time {
	if t.IsZero() {
		return never
	}
	return t
}
