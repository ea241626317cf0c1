package worker

import (
	"context"
	"time"

	"golang.org/x/time/rate"
)

// The history is pruned in the background, a short step at a time.
const (
	pruneTimeout = 10 * time.Second // for one step
	// minPause leaves the database to the lanes between two steps, whatever the store says.
	minPause = 10 * time.Millisecond
	// maxPause is how long it may take until a worker sees that an erasure has left rows.
	maxPause       = time.Second
	pauseOnFailure = 15 * time.Second // a history that is too long does no harm yet
	failureLogged  = 10 * time.Minute // how often a failure that goes on is logged
)

// startPruning removes from the history what it need not keep, until ctx ends. The channel is
// closed when the last step has ended.
func (w *Worker) startPruning(ctx context.Context) <-chan struct{} {
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		failures := rate.Sometimes{First: 1, Interval: failureLogged}
		for ctx.Err() == nil {
			pause, err := w.pruneStep(ctx)
			if err != nil && ctx.Err() == nil {
				failures.Do(func() { w.log.Warn("history not pruned; retrying", "error", err) })
			}
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
		}
	}()
	return stopped
}

// pruneStep takes one step and returns how long to pause before the next.
func (w *Worker) pruneStep(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, pruneTimeout)
	defer cancel()
	removed, next, err := w.store.Prune(ctx, w.config.retention())
	if err != nil {
		w.figures.pruneFailures.Inc()
		return pauseOnFailure, err
	}
	w.figures.pruned.Add(float64(removed))
	if removed > 0 {
		w.log.Debug("history pruned", "removed", removed, "pause", next)
	}
	return min(max(next, minPause), maxPause), nil
}
