package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
)

// Write applies the operations and returns the outcome of each, in the order given, once Postgres
// has committed them. Operations of one user are applied in that order, too. None fails because of
// another.
//
// [batch.replace] applies the unconditional replacements that it can. What it leaves goes through
// [batch.transact], once for each of the [lockModes] as long as writes are left whose rows others
// have locked.
//
// Errors: ErrIDReused, ErrExpired, ErrBusy, ErrUnavailable, ErrOutcomeUnknown; those of package
// settings, among them ErrPrecondition and ErrNotFound (the version to restore); and what
// Write.Change returns. A write that was issued before its user was erased, and is not in the log,
// is refused with ErrUnavailable: it may repeat a write that was erased.
func (s *Store) Write(ctx context.Context, writes []Write) []Written {
	return s.WriteInParts(ctx, writes, func([]int, []Written) {})
}

// WriteInParts is Write for a caller who wants each outcome as soon as it is known. It calls done
// after each transaction, with the indexes of the writes whose outcomes are final by then. Over all
// calls each write comes once, those of one user in order.
func (s *Store) WriteInParts(
	ctx context.Context, writes []Write, done func(part []int, outcomes []Written),
) []Written {
	outcomes := make([]Written, len(writes))
	defer s.dropDocuments(ctx, writes, outcomes)
	b := &batch{store: s}
	for _, i := range inTurns(writes) {
		b.add(i, &writes[i], &outcomes[i])
	}
	// without tells what is final now, and goes on with the rest.
	without := func(left *batch) (goOn bool) {
		if part := b.except(left); len(part) > 0 {
			for _, i := range part {
				outcomes[i].Took = writes[i].took
			}
			done(part, outcomes)
		}
		b = left
		return len(left.writes) > 0
	}
	if !without(b.replace(ctx)) {
		return outcomes
	}
	for i := 0; i < len(lockModes) && ctx.Err() == nil; i++ {
		before := len(b.writes)
		b.write(ctx, lockModes[i])
		if !without(b.postponed()) {
			return outcomes
		}
		if len(b.writes) < before { // some were done: try the rest from the first mode on
			i = -1
		}
	}
	if err := ctx.Err(); err != nil {
		b.fail(fmt.Errorf("%w: no time was left for all of the batch: %w", ErrUnavailable, err))
	} else {
		b.fail(ErrBusy)
	}
	without(&batch{})
	return outcomes
}

// inTurns returns the indexes of the writes with the first write of each user first, then the
// second of each, and so on: a user who sends one write doesn't wait for all that another has sent.
func inTurns(writes []Write) []int {
	order, turns := make([]int, len(writes)), make([]int, len(writes))
	count := make(map[string]int, len(writes)) // by user
	for i := range writes {
		user := writes[i].User
		order[i], turns[i] = i, count[user]
		count[user]++
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(turns[i], turns[j]) })
	return order
}

// lockMode is what a transaction does about rows that another one has locked.
type lockMode struct {
	clause string // of the statement that locks
	// After a lock timeout, retry with each half of the batch. That takes up to 2·log₂(n) waits,
	// which therefore are short (timeouts.shortLock).
	halve bool
}

// lockModes are tried one after the other. The first passes over locked rows, so that only their
// own writes are held up; the second waits for all that were passed over.
//
// Every mode waits for locks that can't be passed over: on a user whom another transaction inserts,
// or on rows of the log that are being pruned. If such a wait times out the whole batch fails, so
// the third mode finds the writes that cause it.
var lockModes = []lockMode{
	{clause: "for update skip locked"},
	{clause: "for update"},
	{clause: "for update skip locked", halve: true},
}

// errPostponed is the outcome of a write that its transaction left for the next one, because its
// row was locked or because there was no time. It doesn't leave the package.
var errPostponed = errors.New("postponed")

// batch is a list of writes that share transactions, each with its index in the call of
// [Store.WriteInParts] and a pointer to its outcome.
type batch struct {
	store    *Store
	indexes  []int
	writes   []*Write
	outcomes []*Written
	// unknown: an attempt has ended without an answer, see [batch.failed].
	unknown bool
	// limit is how many writes one transaction may apply; 0: all. On a slow machine it may take so
	// long to prepare many large documents for the second pipeline that Postgres ends the
	// transaction meanwhile (timeouts.idle). Without a limit the batch would fail each time.
	limit int
}

func (b *batch) add(index int, w *Write, outcome *Written) {
	b.indexes = append(b.indexes, index)
	b.writes = append(b.writes, w)
	b.outcomes = append(b.outcomes, outcome)
}

// filter returns the writes at the indexes for which keep is true.
func (b *batch) filter(keep func(i int) bool) *batch {
	kept := &batch{store: b.store, unknown: b.unknown, limit: b.limit}
	for i, w := range b.writes {
		if keep(i) {
			kept.add(b.indexes[i], w, b.outcomes[i])
		}
	}
	return kept
}

// except returns the indexes of the writes that a part of the batch, in the same order, doesn't
// have.
func (b *batch) except(part *batch) []int {
	var others []int
	n := 0
	for _, index := range b.indexes {
		if n < len(part.indexes) && part.indexes[n] == index {
			n++
		} else {
			others = append(others, index)
		}
	}
	return others
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

// behind postpones the writes of users of whom the batch before this one has left a write, and
// returns the others: those of one user are applied in order.
func (b *batch) behind(before *batch) *batch {
	left := make(map[string]bool)
	for _, w := range before.postponed().writes {
		left[w.User] = true
	}
	b.filter(func(i int) bool { return left[b.writes[i].User] }).fail(errPostponed)
	return b.filter(func(i int) bool { return !left[b.writes[i].User] })
}

// fail makes err the outcome of all writes.
func (b *batch) fail(err error) {
	err = b.failed(err)
	for _, o := range b.outcomes {
		*o = Written{Err: err}
	}
}

// write fills in the outcomes. If a single write may have made the batch fail, it retries with each
// half, so that a bad write costs 2·log₂(n) transactions.
func (b *batch) write(ctx context.Context, m lockMode) {
	err := retry(ctx, func() error {
		err := b.transact(ctx, m)
		b.unknown = b.unknown || errors.Is(err, ErrOutcomeUnknown)
		return err
	}, transient)
	switch {
	case err == nil:
	case len(b.writes) > 1 && (oneAtFault(err) || lockTimedOut(err) && m.halve):
		halves := b.halves()
		halves[0].write(ctx, m)
		second := halves[1].behind(halves[0])
		if len(second.writes) > 0 {
			second.write(ctx, m)
		}
		// for those that were postponed
		b.unknown = b.unknown || halves[0].unknown || second.unknown
	case lockTimedOut(err):
		b.fail(errPostponed)
	case oneAtFault(err):
		b.fail(fmt.Errorf("%w: %w", errRefused, err))
	default:
		b.fail(fmt.Errorf("%w: %w", ErrUnavailable, err))
	}
}
