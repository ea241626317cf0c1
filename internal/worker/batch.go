package worker

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/outset-settings/outset/internal/batch"
	"github.com/outset-settings/outset/internal/compute"
	"github.com/outset-settings/outset/pkg/messages"
	"github.com/outset-settings/outset/pkg/store"
)

// storeTimeout bounds one batch in the store. It is the worker's own, never one asker's:
// pgx closes a connection whose context ends, and a batch has many askers. It leaves them time to
// ask again: a batch may have waited for rows that others keep.
const storeTimeout = 2 * time.Second

// flight is a batch of works. Its results are in the works; a call is answered with the time that
// it took to compute.
type (
	batcher = batch.Batcher[*work, time.Duration]
	flight  = batch.Flight[*work, time.Duration]
	options = batch.Options[*work, time.Duration]
)

// done settles works of a flight and answers their tasks.
func done(f *flight, indexes []int) {
	works := make([]*work, len(indexes))
	for n, i := range indexes {
		w := f.Calls[i]
		w.result.SetTook(w.took)
		cost := w.result.Cost()
		w.result.SetTook(w.took + w.compiling)
		works[n] = w
		f.Answer(i, cost) // then another may send the result
	}
	answer(works)
}

// open returns the indexes of the works that may still be done, and settles the others.
func open(f *flight, settled func(*work) bool) []int {
	var indexes, others []int
	for i, w := range f.Calls {
		if settled(w) {
			others = append(others, i)
		} else {
			indexes = append(indexes, i)
		}
	}
	done(f, others)
	return indexes
}

// read does a batch of reads, in one trip to the store.
func (w *Worker) read(ctx context.Context, f *flight) {
	ctx, cancel := context.WithTimeout(ctx, w.storeTimeout)
	defer cancel()
	now := w.store.Clock().Now()
	indexes := open(f, func(work *work) bool { return work.expired(now) })
	reads := make([]store.Read, len(indexes))
	for n, i := range indexes {
		reads[n] = readOf(f.Calls[i].Operation)
	}
	found, err := w.store.Read(ctx, reads)
	if err == nil {
		w.silence.end()
	}
	for n, i := range indexes {
		work := f.Calls[i]
		if err != nil {
			work.result = w.failure(work.Operation, err)
			continue
		}
		compute.Over(searched(work.Operation, &found[n]), func() {
			began := time.Now()
			if work.Action == messages.ActionTrySchema && found[n].Err == nil {
				work.result = w.try(work.trial, found[n].Listed)
			} else {
				work.result = w.readResult(work.Operation, &found[n])
			}
			work.took += time.Since(began)
		})
		left := max(len(found[n].Bytes)-len(work.result.Document), 0)
		work.took += messages.FetchCost(left)
	}
	done(f, indexes)
}

// write does a batch of writes, in as few transactions as it takes. Each is answered as soon as it
// is committed or refused, while the transactions of others go on.
func (w *Worker) write(ctx context.Context, f *flight) {
	ctx, cancel := context.WithTimeout(ctx, w.storeTimeout)
	defer cancel()
	indexes := open(f, w.prepare)
	writes := make([]store.Write, len(indexes))
	for n, i := range indexes {
		writes[n] = f.Calls[i].write
	}
	applied := false // some of them were
	w.store.WriteInParts(ctx, writes, func(part []int, outcomes []store.Written) {
		if slices.ContainsFunc(part, func(n int) bool { return proves(outcomes[n].Err) }) {
			w.silence.end()
		}
		w.queueChanges(writes, outcomes, part)
		settled := make([]int, len(part))
		for p, n := range part {
			work := f.Calls[indexes[n]]
			applied = applied || outcomes[n].Err == nil
			work.result = w.writeResult(work.Operation, &outcomes[n])
			if applied && ranOut(outcomes[n].Err) {
				// It was behind others, as of hundreds of patches of one document each batch does a
				// part: asked again, it gets further.
				work.result.Kind, work.result.Busy = messages.KindUnavailable, true
			}
			work.took += outcomes[n].Took
			settled[p] = indexes[n]
		}
		done(f, settled)
	})
}

// proves tells whether the outcome of a write shows that the database is there.
func proves(err error) bool {
	return errors.Is(err, store.ErrBusy) ||
		!errors.Is(err, store.ErrUnavailable) && !errors.Is(err, store.ErrOutcomeUnknown)
}

// parsed is how many bytes a write makes the worker go over before the transaction.
func parsed(o *messages.Operation) int {
	if o.Action == messages.ActionPutSchema {
		return compute.LongBytes // a schema of 9 KB can take 30 ms
	}
	return len(o.Document)
}

// searched is how many bytes a read makes the worker go over once they are there.
func searched(o *messages.Operation, f *store.Found) int {
	switch o.Action {
	case messages.ActionTrySchema:
		return compute.LongBytes
	case messages.ActionReadValue, messages.ActionReadEffective, messages.ActionTry:
		return len(f.Bytes) + len(o.Document)
	default: // which hands them on
		return 0
	}
}

// prepare computes what a write can without the store. It returns true if it has its result by
// then.
func (w *Worker) prepare(work *work) (settled bool) {
	var err error
	if work.write.Change == nil && work.write.Wrong == nil { // else a schema was compiled before
		compute.Over(parsed(work.Operation), func() {
			began := time.Now()
			work.write, err = w.writeOf(work.Operation)
			work.took += time.Since(began)
		})
	}
	if err != nil && (work.Keyed || work.Again) {
		// It may have been applied under other limits: then it gets its first answer.
		work.write.Wrong, err = err, nil
	}
	if err != nil {
		work.result = w.failure(work.Operation, err)
	}
	return err != nil
}
