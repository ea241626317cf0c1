package watch

import (
	"errors"
	"net"
	"time"

	"github.com/outset-settings/outset/pkg/messages"
)

// maxText is about how much is written to a follower at once.
const maxText = 64 << 10

// readPause is the pause after a read that failed or brought nothing.
const readPause = 200 * time.Millisecond

// FollowOptions choose what a follower gets.
type FollowOptions struct {
	After     *messages.Position // nil: all users come first
	Now       bool               // with After nil: only what is changed from now on
	Documents bool
}

// Follower is a connection on which a client gets the changes of all users. After Start it has a
// goroutine of its own, which owns all fields.
type Follower struct {
	feed    *Feed
	conn    net.Conn
	tail    *tail
	options FollowOptions

	while func() bool // the client may go on; nil: for ever
	left  func()      // to be called when the follower has gone, or nil

	started bool      // guarded by the feed's lock, as is joined
	joined  time.Time // when Join ended

	now   bool               // it begins at the present
	at    *messages.Position // up to where the client has been told; nil: nothing
	first messages.Result    // the first part
	live  bool               // it has been told all up to a moment ago
	beat  time.Time          // when the client was last sent something
	// owed: it is told that it has caught up once the tail is beyond this and not behind.
	owed *messages.Position
}

// While has the stream end once valid returns false, within a heartbeat. Call it before Start.
// valid must not wait.
func (w *Follower) While(valid func() bool) { w.while = valid }

// OnLeave has left called once the follower has gone. Call it before Start. left must not wait.
func (w *Follower) OnLeave(left func()) {
	w.feed.mu.Lock()
	defer w.feed.mu.Unlock()
	if _, ok := w.feed.followers[w]; !ok {
		left()
		return
	}
	w.left = left
}

// Leave removes a follower that was not started. It does not close the connection.
func (w *Follower) Leave() { w.feed.remove(w) }

// Start takes the connection over. It writes the head of the response and then the changes.
func (w *Follower) Start(head []byte) {
	f := w.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.followers[w]; f.closed || !ok {
		f.removeLocked(w)
		_ = w.conn.Close()
		return
	}
	w.started = true
	limitBuffer(w.conn)
	closeAfterSilence(w.conn, max(2*f.config.Heartbeat, f.config.WriteTimeout))
	f.tasks.Go(func() {
		defer func() { _ = w.conn.Close() }()
		defer w.Leave()
		_ = w.run(head) // the client has gone, or is to come again
	})
}

var (
	errSlow    = errors.New("the client is too slow")
	errInvalid = errors.New("the client may not go on")
)

// run writes until the client leaves or must.
func (w *Follower) run(head []byte) error {
	if err := w.write(appendRetry(head)); err != nil {
		return err
	}
	if err := w.catchUp(&w.first); err != nil {
		return err
	}
	w.first = messages.Result{}
	for {
		text, news, covered := w.fromTail()
		var err error
		switch {
		case !covered && w.live:
			_ = w.write(appendNamed(nil, "resume", w.at, `{"reason":"too slow"}`))
			return errSlow
		case !covered:
			err = w.readMore()
		case len(text) > 0:
			err = w.write(text)
		default:
			err = w.idle(news)
		}
		if err != nil {
			return err
		}
	}
}

// fromTail returns what the tail has for the client, or what to wait for. It isn't covered if the
// tail doesn't reach back to where the client is.
func (w *Follower) fromTail() (text []byte, news <-chan struct{}, covered bool) {
	w.feed.mu.Lock()
	defer w.feed.mu.Unlock()
	t := w.tail
	if w.at != nil && w.live && w.at.Database != t.from.Database {
		w.live, w.owed = false, nil // another database: it is no fault of the client's
	}
	if !w.live || !t.covers(*w.at) {
		return nil, nil, false
	}
	text, at := t.since(*w.at, maxText)
	w.at = &at
	if w.owed != nil && len(text) < maxText && !t.behind && t.at.Transaction > w.owed.Transaction {
		w.owed = nil
		text = appendNamed(text, "caught-up", w.at, `{}`)
	}
	return text, t.news, true
}

// readMore reads and writes a part of what the tail doesn't have.
func (w *Follower) readMore() error {
	r, err := w.read()
	if err != nil {
		return w.sleep(readPause)
	}
	if err := w.catchUp(&r); err != nil || len(r.Users) > 0 || r.More {
		return err
	}
	return w.sleep(readPause) // rather than to ask all the time while the tail begins anew
}

func (w *Follower) read() (messages.Result, error) {
	return w.feed.read(&messages.Following{
		After: w.at, Documents: w.options.Documents, Now: w.now,
	})
}

// catchUp writes a part that was read. After the last one the client is told that it has caught up,
// or later if there are changes by then that can't be read yet.
func (w *Follower) catchUp(r *messages.Result) error {
	var text []byte
	switch {
	case r.Reset:
		w.at = nil
		return nil
	case w.at == nil && !w.now:
		// Whoever has a copy already must know that it may have users who are gone.
		text = appendNamed(text, "reset", nil, `{}`)
	}
	w.now = false
	for i := range r.Users {
		u := &r.Users[i]
		at := positionOf(*r.Position, u)
		if u.Transaction == 0 { // of the listing, which began where it ends
			at.Transaction, at.Listing = r.Position.Transaction, true
		}
		text = appendUserEvent(text, at, u, w.options.Documents)
		if len(text) >= maxText {
			if err := w.write(text); err != nil {
				return err
			}
			text = nil
		}
	}
	w.at = r.Position
	if !r.More && !w.live {
		w.live = true
		if r.Behind {
			w.owed = r.Position
			return w.write(text)
		}
		text = appendNamed(text, "caught-up", w.at, `{}`)
	}
	return w.write(text)
}

// idle waits for news, or writes a heartbeat.
func (w *Follower) idle(news <-chan struct{}) error {
	timer := time.NewTimer(time.Until(w.beat.Add(w.feed.config.Heartbeat)))
	defer timer.Stop()
	select {
	case <-news:
		return nil
	case <-w.feed.ctx.Done():
		return ErrClosed
	case <-timer.C:
		if hungUp(w.conn) {
			return net.ErrClosed
		}
		return w.write(heartbeat)
	}
}

func (w *Follower) sleep(d time.Duration) error {
	if time.Since(w.beat) > w.feed.config.Heartbeat {
		return w.write(heartbeat)
	}
	select {
	case <-time.After(d):
		return nil
	case <-w.feed.ctx.Done():
		return ErrClosed
	}
}

// write writes text, for which the client has WriteTimeout.
func (w *Follower) write(text []byte) error {
	if w.while != nil && !w.while() {
		return errInvalid
	}
	if len(text) == 0 {
		return nil
	}
	w.beat = time.Now()
	if err := w.conn.SetWriteDeadline(w.beat.Add(w.feed.config.WriteTimeout)); err != nil {
		return err
	}
	w.feed.config.Metrics.slowFollowers.Inc()
	_, err := w.conn.Write(text)
	w.feed.config.Metrics.slowFollowers.Dec()
	if err == nil {
		countEvents(w.feed.config.Metrics.toFollowers, text)
	}
	return err
}
