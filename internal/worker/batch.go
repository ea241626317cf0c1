package worker

import (
	"context"
	"slices"
	"time"

	"github.com/outset-settings/outset/pkg/messages"
	"github.com/outset-settings/outset/pkg/store"
)

// storeTimeout bounds one batch in the store. It is the worker's own, never one asker's:
// pgx closes a connection whose context ends, and a batch has many askers.
const storeTimeout = 4 * time.Second

// read does a batch of tasks that read, in one trip to the store.
func (w *Worker) read(ctx context.Context, tasks []*task) []struct{} {
	ctx, cancel := context.WithTimeout(ctx, w.storeTimeout)
	defer cancel()
	var reads []store.Read
	for _, t := range tasks {
		t.open = t.dropExpired(t.open)
		for _, i := range t.open {
			reads = append(reads, readOf(&t.operations[i]))
		}
	}
	outcomes, err := w.store.Read(ctx, reads)
	if err == nil {
		w.databaseAnswered()
	}
	for _, t := range tasks {
		for _, i := range t.open {
			if err != nil {
				t.results[i] = w.failure(&t.operations[i], err)
				continue
			}
			if o := &t.operations[i]; o.Action == messages.ActionTrySchema &&
				outcomes[0].Err == nil {
				t.results[i] = w.try(t.schemas[i], outcomes[0].Listed)
			} else {
				t.results[i] = w.readResult(o, &outcomes[0])
			}
			outcomes = outcomes[1:]
		}
	}
	return make([]struct{}, len(tasks))
}

// write does a batch of tasks that write, in as few transactions as it takes. A task is answered as
// soon as all that it writes is committed or refused, while the transactions of others go on.
func (w *Worker) write(ctx context.Context, tasks []*task) []struct{} {
	ctx, cancel := context.WithTimeout(ctx, w.storeTimeout)
	defer cancel()
	var (
		writes []store.Write
		of     []unwritten
	)
	for _, t := range tasks {
		writes = append(writes, t.writes...)
		t.unwritten = len(t.open)
		for _, i := range t.open {
			of = append(of, unwritten{t, i})
		}
	}
	w.store.WriteInParts(ctx, writes, func(part []int, outcomes []store.Written) {
		if slices.ContainsFunc(part, func(n int) bool { return outcomes[n].Err == nil }) {
			w.databaseAnswered()
		}
		w.queueChanges(writes, outcomes, part)
		for _, n := range part {
			t, i := of[n].task, of[n].index
			t.results[i] = w.writeResult(&t.operations[i], &outcomes[n])
			if t.unwritten--; t.unwritten == 0 {
				w.writes.done(t)
			}
		}
	})
	return make([]struct{}, len(tasks))
}

// unwritten is an operation of a batch.
type unwritten struct {
	task  *task
	index int
}
