package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/outset-settings/outset/internal/settings"
)

// Write applies the operations and returns the outcome of each, in the order given,
// once Postgres has committed them. Operations of one user are applied in that
// order, too. None fails because of another.
//
// Replacements are tried together first, see replace. Of the rest a row that somebody else has
// locked is passed over at first, so that it holds nobody else up. Then those that were passed over
// wait for their rows together, and at last each that is free by then is done. This goes on for as
// long as some are.
//
// Errors: ErrIDReused, ErrExpired, ErrBusy, ErrUnavailable, ErrOutcomeUnknown; those of package
// settings, ErrPrecondition and ErrNotFound (the version to restore) among them; and what
// Write.Change returns. A write that was issued before its user was erased, and is not in the log,
// is refused with ErrUnavailable: it may be a repetition of what was erased.
func (s *Store) Write(ctx context.Context, writes []Write) []Written {
	outcomes := make([]Written, len(writes))
	b := &batch{store: s}
	for i := range writes {
		b.add(&writes[i], &outcomes[i])
	}
	if b = b.replace(ctx); len(b.writes) == 0 {
		return outcomes
	}
	for i := 0; i < len(passes) && ctx.Err() == nil; i++ {
		before := len(b.writes)
		b.write(ctx, passes[i])
		if b = b.held(); len(b.writes) == 0 {
			return outcomes
		}
		if len(b.writes) < before { // it gets on, if slowly
			i = -1
		}
	}
	if err := ctx.Err(); err != nil {
		b.fail(fmt.Errorf("%w: there was no time for all of the batch: %w", ErrUnavailable, err))
	} else {
		b.fail(ErrBusy)
	}
	return outcomes
}

// pass is what to do about what somebody else has locked.
type pass struct {
	rows    string // how to lock the rows
	setting string // a statement before that; empty: none
	halve   bool   // try with each half of the batch when locks were waited for in vain
}

// A lock may be waited for in each pass: the row of a new user, which another
// transaction is just making, can't be passed over, nor can the log of somebody who is erased
// while old versions are removed from it. That fails the whole batch. The last pass
// must find out whose fault it is, with up to 2·log₂(n) waits, so they are short.
var passes = []pass{
	{rows: "for update skip locked"},
	{rows: "for update"}, // up to lockTimeout
	{rows: "for update skip locked", setting: "set local lock_timeout = '" +
		milliseconds(shortLockTimeout) + "'", halve: true},
}

// errHeld is the outcome of an operation whose row was passed over, or for which a transaction had
// no time. It doesn't leave the package.
var errHeld = errors.New("held over")

// maxComputing is how long a transaction computes what its operations make of their documents; what
// is left then waits for the next one. Others wait for its rows, and Postgres gives up on it after
// idleTimeout. A thousand patches of one growing document took seconds.
const maxComputing = 100 * time.Millisecond

// batch is operations that share transactions, with where their outcomes go.
type batch struct {
	store    *Store
	writes   []*Write
	outcomes []*Written
	// unknown: an attempt has ended without an answer. From then on only success
	// tells what became of the operations.
	unknown bool
	// most is how many operations one transaction may apply; 0: all. What is left waits for the
	// next one. On a slow machine so many large documents may be prepared for the second pipeline
	// that Postgres ends the transaction meanwhile (idleTimeout): the whole batch would fail each
	// time.
	most int
}

func (b *batch) add(w *Write, outcome *Written) {
	b.writes = append(b.writes, w)
	b.outcomes = append(b.outcomes, outcome)
}

// held returns the operations that were passed over.
func (b *batch) held() *batch {
	rest := &batch{store: b.store, unknown: b.unknown, most: b.most}
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
		{
			store: b.store, writes: b.writes[:n], outcomes: b.outcomes[:n], unknown: b.unknown,
			most: b.most,
		},
		{
			store: b.store, writes: b.writes[n:], outcomes: b.outcomes[n:], unknown: b.unknown,
			most: b.most,
		},
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
func (b *batch) write(ctx context.Context, p pass) {
	err := retry(ctx, func() error {
		err := b.transact(ctx, p)
		b.unknown = b.unknown || errors.Is(err, ErrOutcomeUnknown)
		return err
	}, transient)
	switch {
	case err == nil:
	case len(b.writes) > 1 && (oneAtFault(err) || locked(err) && p.halve):
		for _, half := range b.halves() {
			half.write(ctx, p)
			b.unknown = b.unknown || half.unknown // for those of it that were passed over
		}
	case locked(err):
		b.fail(errHeld)
	case oneAtFault(err):
		b.fail(fmt.Errorf("the database refuses this write: %w", err))
	default:
		b.fail(fmt.Errorf("%w: %w", ErrUnavailable, err))
	}
}

// transact applies the operations in one transaction. It returns an error that wraps
// ErrOutcomeUnknown if it can't say whether they were applied. Any other error
// means that none was, and that the outcomes are not to be used.
func (b *batch) transact(ctx context.Context, p pass) error {
	conn, err := b.store.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	// A connection that is still in a transaction is closed and not reused, which
	// rolls the transaction back, too.
	defer conn.Release()

	state, err := b.lock(ctx, conn, p)
	if err == nil {
		enough := time.Now().Add(maxComputing)
		for i, w := range b.writes {
			if i > 0 && time.Now().After(enough) || b.most > 0 && len(state.log) >= b.most {
				*b.outcomes[i] = Written{Err: errHeld}
				continue
			}
			o := state.apply(w)
			if b.unknown && undecided(o.Err) {
				o.Err = fmt.Errorf("%w: %w", ErrOutcomeUnknown, o.Err)
			}
			*b.outcomes[i] = o
		}
		if len(state.log) > 0 {
			if err = state.commit(ctx, conn); broken(err) {
				b.most = max(len(state.log)/2, 1)
			}
		}
	}
	if conn.Conn().PgConn().TxStatus() != idle {
		// Nothing was committed, and if this fails the connection is closed.
		_, _ = conn.Exec(ctx, `rollback`)
	}
	return err
}

// undecided tells whether a refusal says nothing about an attempt that ended without an answer.
// That one may have been in time and yet have its turn at the row; it may have been the erasure;
// and it was held to an earlier schema.
func undecided(refusal error) bool {
	return errors.Is(refusal, ErrExpired) || errors.Is(refusal, ErrUnavailable) ||
		errors.Is(refusal, settings.ErrViolation)
}

// idle is what Postgres reports of a connection that is in no transaction.
const idle = 'I'
