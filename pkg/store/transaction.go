package store

import (
	"context"
	"slices"
	"time"
)

// transaction is the state of a database transaction: the rows that lock has locked and read, what
// apply has computed from them, and so what commit is to write.
type transaction struct {
	users    []string // sorted, each once
	rows     map[string]*row
	applied  map[operationKey]logEntry // what the log has, or will have with this commit
	versions map[versionKey]Document   // to be restored, as far as the log has them
	log      []logEntry                // what this transaction appends
	schema   *Schema                   // what documents must satisfy
	now      time.Time                 // the database's clock, read after the last lock was granted
	deadline time.Time                 // the earliest of the writes applied; zero: none
	// forgotten are ids of the batch that are erased and may still be in the log.
	forgotten map[operationKey]bool
	fenced    map[fence]bool // as the table has them, or will have with this commit
	fences    []fence        // what this transaction adds
}

// row is a user's row of settings, locked.
type row struct {
	Document
	changed  bool
	previous time.Time // see settings.State; only known where a write has a date as its condition
	written  int64     // bytes that its versions have added to the history so far
	dropped  int64     // up to this version the log has no documents
	replaced bool      // changed, and the document with it

	erasedAt      time.Time // when the user was last erased before this transaction; zero: never
	erasedVersion int64     // up to this version only the erasures in the log count
	erasure       *erasure  // by this transaction; nil: none
}

// erasure is what a transaction removes of a user.
type erasure struct {
	above, upTo int64                 // it removes the rows above the one version, up to the other, from the log
	found       map[operationKey]bool // the ids of the batch that it removes
}

// operationKey names an operation in the log.
type operationKey struct{ user, id string }

// versionKey names a version of a user's document.
type versionKey struct {
	user    string
	version int64
}

// logEntry is a row of the log.
type logEntry struct {
	operationKey
	Document
	fingerprint []byte
	operation   string
	restored    int64 // see Entry
	actor       Actor
	created     bool
	written     int64 // see row
	shared      bool  // the row has no document, see [row.shares]
}

// transact applies the writes in one transaction and fills in their outcomes: lock reads what they
// need, apply computes in memory what they do, commit writes the result. It returns an error that
// wraps ErrOutcomeUnknown if it can't say whether they were applied. Any other error means that
// none was, and that the outcomes are not to be used.
func (b *batch) transact(ctx context.Context, m lockMode) error {
	conn, err := b.store.acquire(ctx)
	if err != nil {
		return err
	}
	// A connection that is still in a transaction is closed and not reused, which rolls the
	// transaction back, too.
	defer b.store.release(conn)

	t, err := b.lock(ctx, conn, m)
	if err == nil {
		b.apply(t)
		switch {
		case len(t.log)+len(t.fences) > 0:
			if err = b.store.commit(ctx, conn, t); endsConnection(err) {
				b.limit = max(len(t.log)/2, 1)
			}
		case b.replayed():
			err = b.store.confirm(ctx, conn, t)
		}
	}
	rollBack(ctx, conn)
	return b.store.doubt(conn, err)
}

// replayed reports whether any of the writes was found in the log.
func (b *batch) replayed() bool {
	return slices.ContainsFunc(b.outcomes, func(o *Written) bool { return o.Replayed })
}

// idle is what Postgres reports for a connection that is in no transaction.
const idle = 'I'

// apply computes the outcomes, in order, as far as timeouts.computing and the batch's limit allow.
func (b *batch) apply(t *transaction) {
	now := time.Now()
	until := now.Add(b.store.timeouts.computing)
	for i, w := range b.writes {
		if i > 0 && now.After(until) || b.limit > 0 && len(t.log) >= b.limit {
			*b.outcomes[i] = Written{Err: errPostponed}
			continue
		}
		*b.outcomes[i] = t.apply(w)
		if !b.outcomes[i].Fenced {
			b.outcomes[i].Err = b.failed(b.outcomes[i].Err)
		}
		now = w.charge(now)
	}
}
