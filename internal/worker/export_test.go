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

// LosesDatabase checks the database, which has answered last at that time, and reports whether the
// worker, which doesn't run, has then lost it.
func (w *Worker) LosesDatabase(ctx context.Context, answered time.Time) bool {
	w.reads, w.writes = new(endpoint), new(endpoint)
	w.lastAnswer.Store(&answered)
	w.checkDatabase(ctx)
	return w.databaseLost.Load() != nil
}
