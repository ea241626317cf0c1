package watch

import (
	"context"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/pkg/messages"
)

// allChanged is where the changes of all users are published.
var allChanged = messages.ChangedSubject("") + "*"

// tail has the latest changes of all users, in their order. The feed's lock guards all fields
// below.
type tail struct {
	feed      *Feed
	documents bool
	ctx       context.Context //nolint:containedctx // until the last follower has gone
	cancel    context.CancelFunc

	followers int
	ready     chan struct{}     // closed when from is known
	err       error             // why the tail could not begin; set before ready is closed
	from      messages.Position // the tail has all that came after it
	at        messages.Position // up to where it has been read
	behind    bool              // there may be changes that can't be read yet
	kept      []kept
	bytes     int
	news      chan struct{} // closed when there is more
}

// kept is a change, as its event.
type kept struct {
	at      messages.Position
	user    string
	version int64
	event   []byte
}

func newTail(f *Feed, documents bool) *tail {
	t := &tail{
		feed: f, documents: documents, ready: make(chan struct{}), news: make(chan struct{}),
	}
	t.ctx, t.cancel = context.WithCancel(f.ctx)
	return t
}

// wait waits until the tail has begun.
func (t *tail) wait(ctx context.Context) error {
	select {
	case <-t.ready:
		return t.err
	case <-ctx.Done():
		return ErrClosed
	}
}

// run reads what is new until the last follower has gone.
func (t *tail) run() {
	hints := make(chan struct{}, 1)
	sub, err := t.feed.nc.Subscribe(allChanged, func(*nats.Msg) {
		select {
		case hints <- struct{}{}:
		default:
		}
	})
	if err == nil { // else the connection is closed for good
		defer func() { _ = sub.Unsubscribe() }()
	}
	t.err = t.begin()
	close(t.ready)
	if t.err != nil {
		t.giveUp()
		return
	}
	for wait, behind := feedEvery, time.Duration(0); t.pause(hints, wait); {
		t.feed.reap()
		at := t.at // what was sent may still be read later
		r, err := t.feed.read(&messages.Following{After: &at, Documents: t.documents})
		switch {
		case err != nil:
			wait = feedEvery
		case r.Reset:
			if wait = feedEvery; t.begin() != nil {
				wait = readPause
			}
		default:
			wait, behind = nextLook(behind, &r)
			t.take(&r)
		}
	}
}

// nextLook returns how long to wait for a hint after a look that brought r, where behind is how long
// that was the last time if the look before was behind as well, or 0. The older transaction mostly
// ends at once, but it may take any time, and then looks become rare.
func nextLook(behind time.Duration, r *messages.Result) (wait, nextBehind time.Duration) {
	switch {
	case r.More:
		return 0, 0
	case !r.Behind:
		return feedEvery, 0
	case len(r.Users) > 0:
		return feedPause, feedPause
	}
	wait = min(max(2*behind, feedPause), feedEvery)
	return wait, wait
}

// begin finds out where changes are now. It begins anew in another database: followers are told so
// by what they read for themselves.
func (t *tail) begin() error {
	r, err := t.feed.read(&messages.Following{Now: true})
	if err != nil {
		return err
	}
	t.feed.mu.Lock()
	defer t.feed.mu.Unlock()
	t.from, t.at, t.kept, t.bytes = *r.Position, *r.Position, nil, 0
	t.behind = true // until the next look tells
	close(t.news)
	t.news = make(chan struct{})
	return nil
}

// giveUp has the next follower try again.
func (t *tail) giveUp() {
	t.feed.mu.Lock()
	defer t.feed.mu.Unlock()
	for i, other := range t.feed.tails {
		if other == t {
			t.feed.tails[i] = nil
		}
	}
}

// pause waits for the next look: for feedPause at least, and then for a hint, or for so long. It
// returns false at the end.
func (t *tail) pause(hints <-chan struct{}, wait time.Duration) bool {
	select {
	case <-time.After(feedPause):
	case <-t.ctx.Done():
		return false
	}
	if wait == 0 {
		return true
	}
	select {
	case <-hints:
	case <-time.After(min(wait, t.feed.config.Heartbeat)):
	case <-t.ctx.Done():
		return false
	}
	return true
}

// take keeps what a look has brought.
func (t *tail) take(r *messages.Result) {
	t.feed.mu.Lock()
	defer t.feed.mu.Unlock()
	for i := range r.Users {
		t.keep(&r.Users[i])
	}
	t.at = *r.Position
	t.forget()
	if len(r.Users) > 0 || t.behind != r.Behind {
		close(t.news)
		t.news = make(chan struct{})
	}
	t.behind = r.Behind
}

// keep keeps a change. One that is there already came again because its user was changed twice
// before the first look.
func (t *tail) keep(u *messages.User) {
	at := positionOf(t.at, u)
	if slices.ContainsFunc(t.kept[max(0, len(t.kept)-messages.MaxUsers):], func(k kept) bool {
		return k.user == u.ID && k.version == u.Version
	}) {
		return
	}
	event := appendUserEvent(nil, at, u, t.documents)
	t.kept = append(t.kept, kept{at, u.ID, u.Version, event})
	t.bytes += len(event)
}

// forget drops the oldest changes that are too many.
func (t *tail) forget() {
	n := 0
	for ; len(t.kept)-n > maxKept || t.bytes > maxKeptBytes; n++ {
		t.bytes -= len(t.kept[n].event)
		t.from = t.kept[n].at
	}
	t.kept = slices.Delete(t.kept, 0, n)
}

// covers tells whether the tail has all that comes after a position.
func (t *tail) covers(p messages.Position) bool {
	return !p.Listing && p.Database == t.from.Database && p.Compare(t.from) >= 0
}

// since returns the events after a position that the tail covers, up to so many bytes, and the
// position after them.
func (t *tail) since(p messages.Position, most int) (text []byte, next messages.Position) {
	i, found := slices.BinarySearchFunc(t.kept, p, func(k kept, p messages.Position) int {
		return k.at.Compare(p)
	})
	if found {
		i++
	}
	for next = p; i < len(t.kept) && len(text) < most; i++ {
		text, next = append(text, t.kept[i].event...), t.kept[i].at
	}
	return text, next
}

// positionOf is the position after a user of a part that was read from a position.
func positionOf(from messages.Position, u *messages.User) messages.Position {
	return messages.Position{Database: from.Database, Transaction: u.Transaction, User: u.ID}
}
