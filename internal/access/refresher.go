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
//
// Whoever likes can miss something that never was. So the pause between two readings doubles, up to
// longest, each time that somebody missed something and the source had nothing new.
type refresher struct {
	what string // for the log
	// read reads the source and keeps what it has. It returns whether there is something new.
	read func(context.Context) (news bool, err error)
	log  *slog.Logger

	every    time.Duration // between two readings
	retry    time.Duration // after one that failed
	shortest time.Duration // the least pause between the beginnings of two readings
	longest  time.Duration // the pause if the readings for those who missed something are in vain
	timeout  time.Duration // of a reading, and of those who wait for one

	wanted chan struct{} // somebody waits for next

	mu    sync.Mutex
	now   *reading      // the one under way; nil: there is none
	next  *reading      // the next one to begin
	begun time.Time     // when the last one began
	pause time.Duration // from then to the next one, if somebody waits for it

	sometimes rate.Sometimes // limits the log lines
}

// reading is one reading of the source.
type reading struct {
	missed bool          // somebody had missed something before it began
	ended  chan struct{} // closed at its end
	err    error         // to be looked at after its end
}

func newReading() *reading { return &reading{ended: make(chan struct{})} }

func newRefresher(what string, log *slog.Logger, read func(context.Context) (bool, error),
) *refresher {
	return &refresher{
		what: what, read: read, log: log,
		shortest: time.Second, longest: time.Second, timeout: 5 * time.Second,
		wanted: make(chan struct{}, 1), next: newReading(),
		sometimes: rate.Sometimes{First: 1, Interval: 10 * time.Second},
	}
}

// run reads the source until ctx ends.
func (r *refresher) run(ctx context.Context) {
	for {
		wait := r.every
		if r.once(ctx) != nil {
			wait = r.retry
		}
		regular := time.After(wait)
		select {
		case <-ctx.Done():
			return
		case <-regular:
		case <-r.wanted:
			select {
			case <-ctx.Done():
				return
			case <-regular:
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
	news, err := r.read(ctx)
	if err != nil {
		r.sometimes.Do(func() {
			r.log.Warn("reading failed; what was read before still counts", "what", r.what,
				"error", err)
		})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now, now.err = nil, err
	r.pause = r.pauseAfter(now.missed, news, err)
	close(now.ended)
	return err
}

// pauseAfter returns the pause after a reading.
func (r *refresher) pauseAfter(missed, news bool, err error) time.Duration {
	switch {
	case news, !missed && err == nil:
		return r.shortest
	case missed:
		return min(max(2*r.pause, r.shortest), r.longest)
	default:
		return r.pause
	}
}

// until waits for found to become true, which it may with what is read from now on. Its error is nil
// if it did, else missing if the source surely doesn't have it, or [ErrUnavailable] if the source
// couldn't be read.
//
// It waits for the reading under way, and then for one that began after the call. So what the
// source has when it is called is found, however many others have just missed something. If the
// pause before that one is longer than anybody waits, it isn't waited for.
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
	next.missed = true
	select {
	case r.wanted <- struct{}{}:
	default:
	}
	far := time.Until(r.begun.Add(r.pause)) > r.timeout
	r.mu.Unlock()
	read := !far && next.wait(ctx)
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
