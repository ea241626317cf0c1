package worker

import (
	"context"
	"time"

	"golang.org/x/time/rate"
)

// The history is pruned in the background, a short step at a time.
const (
	pruneTimeout = 10 * time.Second // for one step
	// between two, whatever the store says: the lanes come first
	leastPause     = 10 * time.Millisecond
	mostPause      = time.Hour        // the oldest version then stays an hour too long
	pauseOnFailure = 15 * time.Second // nothing suffers yet from a history that is too long
	sameFailure    = 10 * time.Minute // that goes on is logged again
)

// startPruning removes from the history what it need not keep, until ctx ends. The channel is
// closed when that has come to rest.
func (w *Worker) startPruning(ctx context.Context) <-chan struct{} {
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		failures := rate.Sometimes{First: 1, Interval: sameFailure}
		for ctx.Err() == nil {
			pause, err := w.pruneStep(ctx)
			if err != nil && ctx.Err() == nil {
				failures.Do(func() { w.log.Warn("history not pruned; trying on", "error", err) })
			}
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
		}
	}()
	return stopped
}

// pruneStep returns how long to pause before the next one.
func (w *Worker) pruneStep(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, pruneTimeout)
	defer cancel()
	removed, next, err := w.store.Prune(ctx, w.config.retention())
	if err != nil {
		return pauseOnFailure, err
	}
	if removed > 0 {
		w.log.Debug("history pruned", "removed", removed, "pause", next)
	}
	return min(max(next, leastPause), mostPause), nil
}
