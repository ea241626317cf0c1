package access

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// refresher reads a source in the background: at intervals, and at once when somebody misses
// something in what was read. What was read last is kept while the source is away.
type refresher struct {
	what string                      // for the log
	read func(context.Context) error // reads the source and keeps what it has
	log  *slog.Logger

	every   time.Duration // between two readings
	retry   time.Duration // after one that failed
	pause   time.Duration // at least between the beginnings of two readings
	timeout time.Duration // of a reading, and of those who wait for one

	wanted chan struct{} // somebody waits for next

	mu    sync.Mutex
	now   *reading  // the one under way; nil: there is none
	next  *reading  // the next one to begin
	begun time.Time // when the last one began

	// What was read last is missed at once; a source that was never read may be starting as well.
	missable  time.Time
	sometimes rate.Sometimes // limits the log lines
}

// reading is one reading of the source.
type reading struct {
	ended chan struct{} // closed at its end
	err   error         // to be looked at after its end
}

func newReading() *reading { return &reading{ended: make(chan struct{})} }

func newRefresher(what string, log *slog.Logger, read func(context.Context) error) *refresher {
	return &refresher{
		what: what, read: read, log: log, pause: time.Second, timeout: 5 * time.Second,
		wanted: make(chan struct{}, 1), next: newReading(),
		sometimes: rate.Sometimes{First: 1, Interval: 10 * time.Second},
	}
}

// run reads the source until ctx ends.
func (r *refresher) run(ctx context.Context) {
	r.missable = time.Now().Add(r.timeout)
	for {
		wait := r.every
		if r.once(ctx) != nil {
			wait = r.retry
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		case <-r.wanted:
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Until(r.begun.Add(r.pause))):
			}
		}
	}
}

// once reads the source, for all who wait by now.
func (r *refresher) once(ctx context.Context) error {
	r.mu.Lock()
	now := r.next
	r.now, r.next, r.begun = now, newReading(), time.Now()
	select {
	case <-r.wanted: // by those who waited for this one
	default:
	}
	r.mu.Unlock()

	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	err := r.read(ctx)
	switch {
	case err == nil:
		r.missable = time.Time{}
	case time.Now().After(r.missable):
		r.sometimes.Do(func() {
			r.log.Warn("reading failed; what was read before still counts", "what", r.what,
				"error", err)
		})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now, now.err = nil, err
	close(now.ended)
	return err
}

// until waits for found to become true, which it may with what is read from now on. Its error is
// nil if it did, else missing if the source surely doesn't have it, or [ErrUnavailable] if the
// source couldn't be read.
//
// It waits for the reading under way, and then for one that began after the call. So what the
// source has when it is called is found, however many others have just missed something. Between
// two readings there is a pause, so a flood of those who miss something costs the source little.
func (r *refresher) until(ctx context.Context, found func() bool, missing error) error {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	r.mu.Lock()
	now := r.now
	r.mu.Unlock()
	if now != nil {
		now.wait(ctx)
		if found() {
			return nil
		}
	}
	r.mu.Lock()
	next := r.next
	select {
	case r.wanted <- struct{}{}:
	default:
	}
	r.mu.Unlock()
	read := next.wait(ctx)
	switch {
	case found():
		return nil
	case read:
		return missing
	default:
		return ErrUnavailable
	}
}

// wait waits for the reading to end, and returns whether it has succeeded by the end of ctx.
func (r *reading) wait(ctx context.Context) bool {
	select {
	case <-r.ended:
		return r.err == nil
	case <-ctx.Done():
		return false
	}
}
