package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"time"
)

// WatchOptions choose what [Client.Watch] yields. nil is the default of all.
type WatchOptions struct {
	Include bool  // yield the documents, too
	After   int64 // a version that is known already: only others are yielded

	// Heartbeat is how often the service gives a sign of life where nothing changes
	// (EVENTS_HEARTBEAT); 0: 15 s. After three times as long in silence the connection counts as
	// dead.
	Heartbeat time.Duration
	// Lost, if not nil, is told why the connection was lost or could not be made, each time before
	// it is made again.
	Lost func(error)
}

// Change says that a user's settings are at a version now.
type Change struct {
	Version  int64           `json:"version"`  // 0: never saved
	Time     time.Time       `json:"time"`     // when; zero: never saved
	Deleted  bool            `json:"deleted"`  // the document was deleted, or the user erased
	Settings json.RawMessage `json:"settings"` // with Include, without white space around it and with \n for each line break; {} where there is no document
}

const (
	defaultHeartbeat = 15 * time.Second
	silences         = 3 // heartbeats that are missed before a connection counts as dead
)

// Watch yields the version that the user's settings have, and then each that they get. Versions
// only grow; when there are many at once some are left out, but the last comes always. A connection
// that is lost is made again, and what was missed meanwhile is made up for. So it ends only with
// the context or when the service refuses to go on; the last that it yields is the error that tells
// which.
func (c *Client) Watch(
	ctx context.Context, user string, options *WatchOptions,
) iter.Seq2[Change, error] {
	if options == nil {
		options = &WatchOptions{}
	}
	return func(yield func(Change, error) bool) {
		w := &watcher{
			client: c, operation: about(http.MethodGet, user, "/events"),
			options: *options, yield: yield,
		}
		if err := w.run(ctx); !errors.Is(err, errEnough) {
			yield(Change{}, err)
		}
	}
}

// watcher is a Watch that is under way.
type watcher struct {
	client    *Client
	operation Operation
	options   WatchOptions
	yield     func(Change, error) bool

	known   bool          // whether there is a last version
	last    int64         // the version that was yielded last, or that the caller knew
	wait    time.Duration // that the service wants before the connection is made again
	failure int           // attempts in vain since the last sign of life
	silence *time.Timer   // ends the connection
}

// run connects again and again.
func (w *watcher) run(ctx context.Context) error {
	if w.operation.err != nil {
		return w.operation.err
	}
	w.known, w.last = w.options.After > 0, w.options.After
	w.operation.answer = eventsType
	w.operation.header.Set("Accept", eventsType)
	if w.options.Include {
		w.operation.path += "?include=settings"
	}
	for {
		if w.known {
			w.operation.header.Set("Last-Event-ID", strconv.FormatInt(w.last, 10))
		}
		err := w.connect(ctx)
		switch {
		case errors.Is(err, errEnough):
			return err
		case ctx.Err() != nil:
			return fmt.Errorf("outset: watching ended: %w", ctx.Err())
		case !temporary(err):
			return err
		}
		if w.options.Lost != nil {
			w.options.Lost(err)
		}
		w.failure++
		pause := max(w.client.retry.pause(w.failure, after(err)), w.wait)
		if err := sleep(ctx, pause); err != nil {
			return fmt.Errorf("outset: watching ended: %w", err)
		}
	}
}

// connect yields changes as long as a connection lives, and always returns an error.
func (w *watcher) connect(ctx context.Context) error {
	heartbeat := w.options.Heartbeat
	if heartbeat <= 0 {
		heartbeat = defaultHeartbeat
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	response, err := w.client.begin(ctx, &w.operation, http.NoBody)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	w.silence = time.AfterFunc(silences*heartbeat, func() { cancel(errSilence) })
	defer w.silence.Stop()
	events := newEventReader(&tap{response.Body, func() { w.silence.Reset(silences * heartbeat) }})
	events.alive = func() { w.failure = 0 }
	for {
		e, err := events.next()
		w.wait = events.retry
		if errors.Is(err, errEventTooLarge) {
			return fmt.Errorf("outset: %w", err)
		}
		if err != nil {
			return because(ctx, lostError{fmt.Errorf("the stream of events ended: %w", err), true})
		}
		w.silence.Stop() // what the loop does meanwhile takes as long as it likes
		if err := w.take(e); err != nil {
			return err
		}
		w.silence.Reset(silences * heartbeat)
	}
}

// take yields the change that an event tells of.
func (w *watcher) take(e event) error {
	if e.name != "changed" { // of a later time
		return nil
	}
	var change Change
	if err := json.Unmarshal(e.data, &change); err != nil {
		return fmt.Errorf("outset: an event that can't be understood: %w", err)
	}
	if w.known && change.Version == w.last { // again, after another connection
		return nil
	}
	w.known, w.last = true, change.Version
	if !w.yield(change, nil) {
		return errEnough
	}
	return nil
}

// tap calls a function whenever something was read.
type tap struct {
	io.Reader
	read func()
}

func (t *tap) Read(p []byte) (int, error) {
	n, err := t.Reader.Read(p)
	if n > 0 {
		t.read()
	}
	return n, err
}
