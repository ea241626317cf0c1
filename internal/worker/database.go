package worker

import (
	"context"
	"sync"
	"sync/atomic"
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
	// silentFor is a pause and the check after it, but for the steps that these share with others.
	silentFor = checkEvery + checkTimeout - 2*silenceStep
	// silenceStep is how finely both are measured, see silence.
	silenceStep = 100 * time.Millisecond
)

// silence is how long the database hasn't answered. It counts steps, and a time in which this
// process had no processor, or was stopped, is a single one: what has come meanwhile is unread.
type silence struct {
	steps atomic.Int64
	after func(time.Duration) <-chan time.Time // time.After, except in tests
}

// end notes that the database has just done something.
func (s *silence) end() { s.steps.Store(0) }

func (s *silence) lasted() time.Duration { return time.Duration(s.steps.Load()) * silenceStep }

// count goes on counting until ctx ends.
func (s *silence) count(ctx context.Context) {
	for s.step(ctx) {
		s.steps.Add(1)
	}
}

// step returns after a step, or false when ctx ends.
func (s *silence) step(ctx context.Context) bool {
	select {
	case <-s.after(silenceStep):
		return true
	case <-ctx.Done():
		return false
	}
}

// bound returns a context that ends after d, which is measured in steps, too.
func (s *silence) bound(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		for range d / silenceStep {
			if !s.step(ctx) {
				return
			}
		}
	}()
	return ctx, cancel
}

// startWatchingDatabase checks the database again and again until ctx ends.
func (w *Worker) startWatchingDatabase(ctx context.Context) <-chan struct{} {
	stopped := make(chan struct{})
	w.silence.end() // to begin with
	var watching sync.WaitGroup
	watching.Go(func() { w.silence.count(ctx) })
	watching.Go(func() {
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
	})
	go func() {
		watching.Wait()
		close(stopped)
	}()
	return stopped
}

func (w *Worker) checkDatabase(ctx context.Context) {
	checking, cancel := w.silence.bound(ctx, checkTimeout)
	defer cancel()
	err := w.store.Ping(checking)
	switch {
	case ctx.Err() != nil: // the worker stops
	case err == nil:
		w.silence.end()
		w.foundDatabase()
		w.store.Clock().Warn(w.log)
	case checking.Err() == nil && !store.Busy(err), w.silence.lasted() >= silentFor:
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
