package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"time"
)

// WatchOptions choose what [Client.Watch] yields. nil stands for the defaults.
type WatchOptions struct {
	// Include yields the documents, too.
	Include bool
	// After is the entity tag of a version that the caller knows already; it is not yielded.
	After string
	// Heartbeat is how often the service sends something when nothing changes (EVENTS_HEARTBEAT).
	// After three times as long without a byte the connection counts as lost. The default is 15 s.
	Heartbeat time.Duration
	// Lost, if not nil, is called with the reason each time a connection was lost or could not be
	// made, before the next attempt.
	Lost func(error)
}

// Change tells that a user's settings have a new version.
type Change struct {
	// Version is 0 and Time is zero for a user who never saved.
	Version int64 `json:"version"`
	// ETag is the entity tag of the version.
	ETag string    `json:"-"`
	Time time.Time `json:"time"`
	// Deleted tells that the document was deleted or the user erased.
	Deleted bool `json:"deleted"`
	// Settings is the document if Include asks for it, without white space around it and with \n
	// for each line break; {} if there is no document.
	Settings json.RawMessage `json:"settings"`
}

const (
	defaultHeartbeat = 15 * time.Second
	// maxMissedHeartbeats is how many may fail to come before a connection counts as lost.
	maxMissedHeartbeats = 3
)

// Watch yields the current version of the user's settings, and then each new one. Versions only
// grow, unless the service's database was restored from a backup: then the current one is yielded,
// which may have an earlier number. When there are many at once some are left out, but never the
// last. A lost connection is made again, and then the current version is yielded if it is new. So
// Watch ends only with the context, or when the service refuses to go on; the error that tells
// which is the last that it yields.
func (c *Client) Watch(
	ctx context.Context, user string, options *WatchOptions,
) iter.Seq2[Change, error] {
	if options == nil {
		options = &WatchOptions{}
	}
	return func(yield func(Change, error) bool) {
		s := &changes{last: options.After, yield: yield}
		w := &watcher{
			client: c, operation: userOperation(http.MethodGet, user, "/events"),
			heartbeat: options.Heartbeat, lost: options.Lost, take: s.take, id: s.id,
		}
		if options.Include {
			w.operation.path += "?include=settings"
		}
		if err := w.run(ctx); !errors.Is(err, errLoopLeft) {
			yield(Change{}, err)
		}
	}
}

// watcher is a stream of events that is made again whenever it is lost.
type watcher struct {
	client    *Client
	operation Operation
	heartbeat time.Duration     // 0: the default
	lost      func(error)       // or nil
	take      func(event) error // is given each event
	id        func() string     // of the last event that was taken; "": none

	wait     time.Duration // the service's wish: at least so long before the next connection
	failures int           // attempts since the last event or comment
}

// run connects again and again. It always returns an error.
func (w *watcher) run(ctx context.Context) error {
	if w.operation.err != nil {
		return w.operation.err
	}
	w.operation.answer = eventsType
	w.operation.header.Set("Accept", eventsType)
	for {
		if id := w.id(); id != "" {
			w.operation.setHeader("Last-Event-ID", id)
		} else {
			w.operation.header.Del("Last-Event-ID")
		}
		err := w.connect(ctx)
		switch {
		case errors.Is(err, errLoopLeft):
			return err
		case ctx.Err() != nil:
			return fmt.Errorf("outset: watching ended: %w", ctx.Err())
		case !classify(err).temporary:
			return err
		}
		if w.lost != nil {
			w.lost(err)
		}
		w.failures++
		pause := max(w.client.retry.pause(w.failures, retryAfterOf(err)), w.wait)
		if err := sleep(ctx, pause); err != nil {
			return fmt.Errorf("outset: watching ended: %w", err)
		}
	}
}

// connect yields changes as long as a connection lives. It always returns an error.
func (w *watcher) connect(ctx context.Context) error {
	heartbeat := w.heartbeat
	if heartbeat <= 0 {
		heartbeat = defaultHeartbeat
	}
	maxSilence := maxMissedHeartbeats * heartbeat
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	response, err := w.client.begin(ctx, &w.operation, noBody)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	silence := time.AfterFunc(maxSilence, func() { cancel(errSilent) })
	defer silence.Stop()
	events := newEventReader(&notifyingReader{response.Body, func() { silence.Reset(maxSilence) }})
	events.alive = func() { w.failures = 0 }
	for {
		e, err := events.next()
		w.wait = events.retry
		if errors.Is(err, errEventTooLarge) {
			return fmt.Errorf("outset: %w", err)
		}
		if err != nil {
			return endedBy(ctx, lostError{fmt.Errorf("the stream of events ended: %w", err), true})
		}
		silence.Stop() // the caller's loop may take as long as it likes
		if err := w.take(e); err != nil {
			return err
		}
		silence.Reset(maxSilence)
	}
}

// changes are the changes of one user that a call of Watch yields.
type changes struct {
	last  string // the tag of what was yielded last, or what the caller knew; "": none
	yield func(Change, error) bool
}

func (w *changes) id() string { return strings.Trim(w.last, `"`) }

// take yields the change of an event. It ignores events that a later service may send, and the
// last change when it comes again after a lost connection.
func (w *changes) take(e event) error {
	if e.name != "changed" {
		return nil
	}
	var change Change
	if err := json.Unmarshal(e.data, &change); err != nil {
		return fmt.Errorf("outset: an event that can't be understood: %w", err)
	}
	if e.id != "" {
		change.ETag = `"` + e.id + `"`
		if change.ETag == w.last {
			return nil
		}
		w.last = change.ETag
	}
	if !w.yield(change, nil) {
		return errLoopLeft
	}
	return nil
}

// notifyingReader calls a function whenever something was read.
type notifyingReader struct {
	io.Reader
	read func()
}

func (r *notifyingReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if n > 0 {
		r.read()
	}
	return n, err
}
