package store

import (
	"context"
	"errors"
	"fmt"
)

// Write applies the operations and returns the outcome of each, in the order given, once Postgres
// has committed them. Operations of one user are applied in that order, too. None fails because of
// another.
//
// Unconditional replacements are tried first, in one statement; the others, and what that statement
// leaves, share transactions. What these leave because its row is locked is tried again: see
// [lockModes].
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
	for i := 0; i < len(lockModes) && ctx.Err() == nil; i++ {
		before := len(b.writes)
		b.write(ctx, lockModes[i])
		if b = b.postponed(); len(b.writes) == 0 {
			return outcomes
		}
		if len(b.writes) < before { // some were done: try the rest from the first mode on
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

// lockMode is what a transaction does about rows that another one has locked.
type lockMode struct {
	clause string // of the statement that locks
	// After a lock timeout, try again with each half of the batch. That takes up to 2·log₂(n)
	// waits, so they are short (timeouts.shortLock).
	halve bool
}

// lockModes are tried one after the other. The first passes over locked rows, so that only their
// own writes are held up; the second waits for all that were passed over.
//
// Any mode may wait where locks can't be passed over: for a user whom another transaction is
// inserting, or for rows of the log that are being pruned. That fails the whole batch, so the third
// mode finds out whose fault it is.
var lockModes = []lockMode{
	{clause: "for update skip locked"},
	{clause: "for update"},
	{clause: "for update skip locked", halve: true},
}

// errPostponed is the outcome of a write that its transaction left for the next one, because its
// row was locked or because there was no time. It doesn't leave the package.
var errPostponed = errors.New("postponed")

// batch is writes that share transactions, with where their outcomes go.
type batch struct {
	store    *Store
	writes   []*Write
	outcomes []*Written
	// unknown: an attempt has ended without an answer, see [batch.failed].
	unknown bool
	// limit is how many writes one transaction may apply; 0: all. On a slow machine so many large
	// documents may be prepared for the second pipeline that Postgres ends the transaction
	// meanwhile (timeouts.idle). The whole batch would fail each time.
	limit int
}

func (b *batch) add(w *Write, outcome *Written) {
	b.writes = append(b.writes, w)
	b.outcomes = append(b.outcomes, outcome)
}

// filter returns the writes for whose index keep is true.
func (b *batch) filter(keep func(i int) bool) *batch {
	kept := &batch{store: b.store, unknown: b.unknown, limit: b.limit}
	for i, w := range b.writes {
		if keep(i) {
			kept.add(w, b.outcomes[i])
		}
	}
	return kept
}

func (b *batch) postponed() *batch {
	return b.filter(func(i int) bool { return errors.Is(b.outcomes[i].Err, errPostponed) })
}

// halves splits the batch.
func (b *batch) halves() [2]*batch {
	middle := len(b.writes) / 2
	return [2]*batch{
		b.filter(func(i int) bool { return i < middle }),
		b.filter(func(i int) bool { return i >= middle }),
	}
}

// fail makes err the outcome of all writes.
func (b *batch) fail(err error) {
	err = b.failed(err)
	for _, o := range b.outcomes {
		*o = Written{Err: err}
	}
}

// write fills in the outcomes. Where one write may have spoilt the batch it tries again with each
// half, so that a single bad one costs 2·log₂(n) transactions.
func (b *batch) write(ctx context.Context, m lockMode) {
	err := retry(ctx, func() error {
		err := b.transact(ctx, m)
		b.unknown = b.unknown || errors.Is(err, ErrOutcomeUnknown)
		return err
	}, transient)
	switch {
	case err == nil:
	case len(b.writes) > 1 && (oneAtFault(err) || lockTimedOut(err) && m.halve):
		for _, half := range b.halves() {
			half.write(ctx, m)
			b.unknown = b.unknown || half.unknown // for those of it that were postponed
		}
	case lockTimedOut(err):
		b.fail(errPostponed)
	case oneAtFault(err):
		b.fail(fmt.Errorf("%w: %w", errRefused, err))
	default:
		b.fail(fmt.Errorf("%w: %w", ErrUnavailable, err))
	}
}
