package worker

import (
	"context"
	"time"

	"github.com/outset-settings/outset/pkg/store"
)

// A worker that can't reach its database leaves the queue group, so that requests go to workers
// that can, and says so to the service discovery, so that an API knows whether any can.
const (
	checkEvery   = time.Second
	recheckEvery = 200 * time.Millisecond // while it can't
	// checkTimeout is short, since a database that has much to do, or no connection to give, still
	// answers others meanwhile: only after silentFor without any answer is it out of reach.
	checkTimeout = time.Second
	silentFor    = 2 * time.Second
)

// startWatchingDatabase checks the database again and again until ctx ends.
func (w *Worker) startWatchingDatabase(ctx context.Context) <-chan struct{} {
	stopped := make(chan struct{})
	w.databaseAnswered() // to begin with
	go func() {
		defer close(stopped)
		for ctx.Err() == nil {
			pause := checkEvery
			if w.databaseLost.Load() != nil {
				pause = recheckEvery
			}
			select {
			case <-time.After(pause):
				w.checkDatabase(ctx)
			case <-ctx.Done():
			}
		}
	}()
	return stopped
}

// databaseAnswered notes that the database has just done something.
func (w *Worker) databaseAnswered() {
	now := time.Now() // with the monotonic clock, which nobody sets
	w.lastAnswer.Store(&now)
}

func (w *Worker) checkDatabase(ctx context.Context) {
	checking, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	err := w.store.Ping(checking)
	switch {
	case ctx.Err() != nil: // the worker stops
	case err == nil:
		w.databaseAnswered()
		w.foundDatabase()
		w.store.Clock().Warn(w.log)
	case checking.Err() == nil && !store.Busy(err),
		time.Since(*w.lastAnswer.Load()) > silentFor:
		w.lostDatabase(err)
	}
	if err != nil {
		following, cancel := context.WithTimeout(ctx, checkTimeout)
		defer cancel()
		w.store.FollowPrimary(following)
	}
}

// learnTime asks the database for the time, before there are deadlines to compare with it.
func (w *Worker) learnTime(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if w.store.Ping(ctx) == nil {
		w.store.Clock().Warn(w.log)
	}
}

// lostDatabase leaves the queue group. What the worker has taken already, it does or refuses.
func (w *Worker) lostDatabase(reason error) {
	text := reason.Error()
	if w.databaseLost.Swap(&text) != nil {
		return
	}
	w.log.Warn("the database can't be reached; leaving the queue group", "error", reason)
	for _, e := range w.endpoints() {
		if err := e.leave(); err != nil {
			w.log.Debug("leaving the queue group", "endpoint", e.name, "error", err)
		}
	}
}

// foundDatabase joins the queue group again.
func (w *Worker) foundDatabase() {
	if w.databaseLost.Load() == nil {
		return
	}
	for _, e := range w.endpoints() {
		if err := e.join(); err != nil { // the connection was closed; or the next check does it
			w.log.Warn("joining the queue group", "endpoint", e.name, "error", err)
			return
		}
	}
	w.databaseLost.Store(nil)
	w.log.Info("the database is back; taking requests again")
}
