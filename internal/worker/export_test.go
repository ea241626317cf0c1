package worker

import (
	"context"
	"log/slog"
	"time"
)

// SetMaxQueue sets how many operations may wait.
func (w *Worker) SetMaxQueue(n int) { w.maxQueue = n }

// SetStoreTimeout sets how long a batch may take in the store.
func (w *Worker) SetStoreTimeout(d time.Duration) { w.storeTimeout = d }

// SetMaxTrial sets how long one operation may check documents against a schema on trial.
func (w *Worker) SetMaxTrial(d time.Duration) { w.maxTrial = d }

// PruneUntil prunes until ctx ends, and returns when the last step has ended.
func PruneUntil(ctx context.Context, s Store, config Config, log *slog.Logger) {
	w := &Worker{store: s, config: config, log: log, figures: newFigures()}
	<-w.startPruning(ctx)
}

// Lanes is how many batches of writes are under way at once.
const Lanes = lanes

// CheckSteps is how many steps of time a check of the database may take.
const CheckSteps = int(checkTimeout / silenceStep)

// SetAfter sets what the steps of the database's silence wait for.
func (w *Worker) SetAfter(after func(time.Duration) <-chan time.Time) { w.silence.after = after }

// LosesDatabase checks the database, which has been silent for so long, and reports whether the
// worker, which doesn't run, has then lost it.
func (w *Worker) LosesDatabase(ctx context.Context, silent time.Duration) bool {
	w.reads, w.writes = new(endpoint), new(endpoint)
	w.silence.steps.Store(int64(silent / silenceStep))
	w.checkDatabase(ctx)
	return w.databaseLost.Load() != nil
}
