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
	now   chan struct{} // closed when the reading under way ends; nil: there is none
	next  chan struct{} // closed when the next one to begin ends
	begun time.Time     // when the last one began

	sometimes rate.Sometimes // limits the log lines
}

func newRefresher(what string, log *slog.Logger, read func(context.Context) error) *refresher {
	return &refresher{
		what: what, read: read, log: log, pause: time.Second, timeout: 5 * time.Second,
		wanted: make(chan struct{}, 1), next: make(chan struct{}),
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
	r.now, r.next, r.begun = now, make(chan struct{}), time.Now()
	select {
	case <-r.wanted: // by those who waited for this one
	default:
	}
	r.mu.Unlock()

	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	err := r.read(ctx)
	if err != nil {
		r.sometimes.Do(func() {
			r.log.Warn("reading failed; what was read before still counts", "what", r.what,
				"error", err)
		})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = nil
	close(now)
	return err
}

// until waits for found to become true, which it may with what is read from now on. It returns
// whether it did.
//
// It waits for the reading under way, and then for one that began after the call. So what the
// source has when it is called is found, however many others have just missed something. Between
// two readings there is a pause, so a flood of those who miss something costs the source little.
func (r *refresher) until(ctx context.Context, found func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	r.mu.Lock()
	now := r.now
	r.mu.Unlock()
	if now != nil {
		select {
		case <-now:
		case <-ctx.Done():
		}
		if found() {
			return true
		}
	}
	r.mu.Lock()
	next := r.next
	select {
	case r.wanted <- struct{}{}:
	default:
	}
	r.mu.Unlock()
	select {
	case <-next:
	case <-ctx.Done():
	}
	return found()
}
