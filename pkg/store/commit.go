package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/outset-settings/outset/internal/failpoint"
)

// commit writes the rows, the log and the fences of a transaction and commits it, in one round
// trip.
func (s *Store) commit(ctx context.Context, conn *pgxpool.Conn, t *transaction) error {
	var b pgx.Batch
	queueGuard(&b, t.deadline)
	t.queueFences(&b) // before queueErasures, which removes those of users who are erased
	if len(t.log) > 0 {
		t.queueErasures(&b)
		t.queueForgotten(&b) // before queueLog, which gives these ids again
		t.queueRows(&b)
		t.queueLog(&b)
	}
	t.queueUnused(&b)
	return s.sendCommit(ctx, conn, &b)
}

// sendCommit sends a pipeline that ends with a commit. Its error wraps ErrOutcomeUnknown if it
// can't say whether that was done; any other error means that it wasn't.
func (s *Store) sendCommit(ctx context.Context, conn *pgxpool.Conn, b *pgx.Batch) error {
	if failpoint.Hit("store/commit-lost") {
		b.Queue(`rollback`)
	}
	b.Queue(`commit`)
	ctx, cancel := s.committing(ctx)
	defer cancel()
	err := s.figures.commit.time(ctx, func() error { return conn.SendBatch(ctx, b).Close() })
	switch {
	case err == nil:
		return nil
	case definite(err):
		return fmt.Errorf("writing: %w", err)
	default:
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	}
}

// confirm commits a transaction that has found writes in the log and made none. With a synchronous
// standby a row can be there that no standby has yet: its commit had no answer, and one that is
// given up counts on this server alone. A repetition must not be acknowledged before the first
// write is as safe as all others are. Committing a record of its own waits for all that came before
// it.
func (s *Store) confirm(ctx context.Context, conn *pgxpool.Conn, t *transaction) error {
	var b pgx.Batch
	t.queueUnused(&b)
	b.Queue(`select pg_logical_emit_message(true, 'outset', '')`)
	return s.sendCommit(ctx, conn, &b)
}

// rollBack ends a transaction that is still open. Nothing was committed, and if this fails the
// connection is closed.
func rollBack(ctx context.Context, conn *pgxpool.Conn) {
	if conn.Conn().PgConn().TxStatus() != idle {
		_, _ = conn.Exec(ctx, `rollback`)
	}
}

// committing returns the context for a pipeline that commits. The caller's must not end such a
// pipeline, since that would leave the outcome unknown.
func (s *Store) committing(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), s.timeouts.commit)
}

// queueGuard stops a worker that was paused between the two pipelines (a frozen host, a suspended
// laptop) from applying what its asker has long given up. Only an error can stop a pipeline whose
// commit is already sent; this one is a division by zero.
func queueGuard(b *pgx.Batch, until time.Time) {
	if !until.IsZero() {
		b.Queue(`select 1 / (clock_timestamp() < $1)::int`, orNever(until))
	}
}

// earlier is the earlier of two deadlines; zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// queueRows writes the documents, and notes the users for those who follow changes.
func (t *transaction) queueRows(b *pgx.Batch) {
	var (
		users     []string
		versions  []int64
		written   []int64
		documents [][]byte
		replaced  []bool
	)
	for _, user := range t.users {
		if r := t.rows[user]; r != nil && r.changed {
			users = append(users, user)
			versions, written = append(versions, r.Version), append(written, r.written)
			replaced = append(replaced, r.replaced)
			if r.replaced {
				documents = append(documents, r.orNull())
			} else {
				documents = append(documents, nil)
			}
		}
	}
	b.Queue(`
		update settings
		set version = new.version, updated_at = $4, written = new.written,
		    document = case when replaced then new.document::json else settings.document end
		from unnest($1::text[], $2::bigint[], $3::text[], $5::bigint[], $6::boolean[])
			as new (user_id, version, document, written, replaced)
		where settings.user_id = new.user_id`,
		users, versions, documents, t.now, written, replaced)
	b.Queue(`insert into settings_changes (users, changed_at) values ($1::text[], $2)`, users, t.now)
}

// queueUnused removes the placeholder rows of users of whom nothing was saved: what is refused
// leaves no row.
func (t *transaction) queueUnused(b *pgx.Batch) {
	var users []string
	for user, r := range t.rows {
		if r.Version == 0 {
			users = append(users, user)
		}
	}
	if len(users) > 0 {
		b.Queue(`delete from settings where user_id = any($1::text[]) and version = 0`, users)
	}
}

func (t *transaction) queueLog(b *pgx.Batch) {
	n := len(t.log)
	users, ids, operations := make([]string, n), make([]string, n), make([]string, n)
	versions, fingerprints, documents := make([]int64, n), make([][]byte, n), make([][]byte, n)
	created, written, sizes := make([]bool, n), make([]int64, n), make([]int64, n)
	restored := make([]int64, n)
	actors := newActors(n)
	for i := range t.log {
		e := &t.log[i]
		actors.set(i, &e.actor)
		users[i], versions[i], ids[i], fingerprints[i] = e.user, e.Version, e.id, e.fingerprint
		operations[i], created[i], written[i] = e.operation, e.created, e.written
		restored[i] = e.restored
		if sizes[i] = int64(len(e.orNull())); !e.shared {
			documents[i] = e.orNull()
		}
	}
	b.Queue(`
		insert into settings_log (user_id, version, operation_id, fingerprint, operation, created,
		                          document, size, written, applied_at, actor_kind,
		                          actor_subject, actor_token, restored)
		select user_id, version, operation_id, fingerprint, operation, created,
		       document::json, size, written, $8::timestamptz,
		       actor_kind, actor_subject, actor_token, nullif(restored, 0)
		from unnest($1::text[], $2::bigint[], $3::text[], $4::bytea[], $5::text[],
		            $6::boolean[], $7::text[], $9::smallint[], $10::text[], $11::text[],
		            $12::bigint[], $13::bigint[], $14::bigint[])
			as new (user_id, version, operation_id, fingerprint, operation, created, document,
			        actor_kind, actor_subject, actor_token, written, size, restored)`,
		users, versions, ids, fingerprints, operations, created, documents, t.now, actors.kinds,
		actors.subjects, actors.tokens, written, sizes, restored)
}

// actors are the arguments of a statement that appends to the log.
type actors struct {
	kinds            []int16
	subjects, tokens []string
}

func newActors(n int) actors {
	return actors{make([]int16, n), make([]string, n), make([]string, n)}
}

func (a *actors) set(i int, actor *Actor) {
	a.kinds[i], a.subjects[i], a.tokens[i] = actor.Kind, actor.Subject, actor.Token
}

// orNull returns the bytes for a statement: nil, which becomes null, if there is no document.
func (d *Document) orNull() []byte {
	if d.Absent {
		return nil
	}
	return d.Bytes
}
