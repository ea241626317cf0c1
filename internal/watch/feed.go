package watch

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/pkg/messages"
)

const (
	// maxFollowers is how many clients may follow all users at once. Each of them holds a part of
	// the changes, up to 1 MiB, while it catches up.
	maxFollowers = 32
	// The changes that are kept for followers, with documents and without them each. Who is further
	// behind is told to resume.
	maxKept      = 8192
	maxKeptBytes = 4 << 20

	// feedPause is the shortest time between two looks at the changes, so that many at once cost
	// the workers few reads.
	feedPause = 20 * time.Millisecond
	// feedEvery is how long the next look waits at most, since a notification may be lost.
	feedEvery = time.Second
)

// Parts carries out operations that read and whose results fill a message.
type Parts interface {
	Part(o *messages.Operation) messages.Result
	// Deadline is the Deadline of an operation that has so much time from now on.
	Deadline(timeout time.Duration) int64
}

// Feed has all who follow the changes of all users. However many there are, it asks the workers
// for what is new once, and keeps the latest changes for all. Notifications only tell when to look;
// a look is what the database has after a position, see [messages.Following]. A follower who begins
// further back reads that for itself.
type Feed struct {
	nc     *nats.Conn
	parts  Parts
	config Config
	cancel context.CancelFunc
	ctx    context.Context //nolint:containedctx // of the goroutines, until Close
	tasks  sync.WaitGroup

	mu        sync.Mutex // guards all below and the tails
	closed    bool
	followers map[*Follower]struct{}
	tails     [2]*tail // without and with documents; nil: nobody follows
}

// NewFeed returns a feed that works until its Close.
func NewFeed(nc *nats.Conn, parts Parts, config Config) *Feed {
	ctx, cancel := context.WithCancel(context.Background())
	return &Feed{
		nc: nc, parts: parts, config: config, ctx: ctx, cancel: cancel,
		followers: make(map[*Follower]struct{}),
	}
}

// Stop ends the connections of all followers.
func (f *Feed) Stop() {
	f.cancel()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for w := range f.followers {
		if w.started {
			_ = w.conn.Close()
		}
	}
}

// Close is Stop that returns when all goroutines of the feed have ended, and so what they have
// asked for. It may be called more than once.
func (f *Feed) Close() {
	f.Stop()
	f.tasks.Wait()
}

// Join makes a follower of all users. It has read what comes first, so that a failure can be
// answered. If Start isn't called, Leave must be. The error is ErrClosed or ErrTooMany, or a
// [ReadError].
func (f *Feed) Join(conn net.Conn, options FollowOptions) (*Follower, error) {
	w := &Follower{feed: f, conn: conn, options: options, at: options.After, now: options.Now}
	if err := f.add(w); err != nil {
		return nil, err
	}
	// The tail comes first: what is read here must not end before the tail begins.
	err := w.tail.wait(f.ctx)
	if err == nil {
		w.first, err = w.read()
	}
	if err != nil {
		w.Leave()
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	w.joined = time.Now()
	return w, nil
}

func (f *Feed) add(w *Follower) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed:
		return ErrClosed
	case len(f.followers) >= maxFollowers:
		return ErrTooMany
	}
	i := 0
	if w.options.Documents {
		i = 1
	}
	if f.tails[i] == nil {
		f.tails[i] = newTail(f, w.options.Documents)
		f.tasks.Go(f.tails[i].run)
	}
	w.tail = f.tails[i]
	w.tail.followers++
	f.followers[w] = struct{}{}
	f.config.Metrics.followers.Inc()
	return nil
}

// remove removes a follower, and the tail with the last one.
func (f *Feed) remove(w *Follower) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.removeLocked(w)
}

func (f *Feed) removeLocked(w *Follower) {
	if _, ok := f.followers[w]; !ok {
		return
	}
	delete(f.followers, w)
	f.config.Metrics.followers.Dec()
	if w.left != nil {
		w.left()
	}
	if w.tail.followers--; w.tail.followers > 0 {
		return
	}
	w.tail.cancel()
	for i, t := range f.tails {
		if t == w.tail {
			f.tails[i] = nil
		}
	}
}

// reap removes the followers whose connection broke before Start.
func (f *Feed) reap() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for w := range f.followers {
		if !w.started && !w.joined.IsZero() &&
			time.Since(w.joined) > f.config.ReadTimeout+f.config.WriteTimeout {
			f.removeLocked(w)
		}
	}
}

// ReadError is a failure of a read.
type ReadError struct{ messages.Result }

func (e ReadError) Error() string { return string(e.Kind) + ": " + e.Detail }

// read reads a part.
func (f *Feed) read(follow *messages.Following) (messages.Result, error) {
	follow.Limit = messages.MaxUsers
	r := f.parts.Part(&messages.Operation{
		Action: messages.ActionFollow, Follow: follow,
		Deadline: f.parts.Deadline(f.config.ReadTimeout),
	})
	if r.Kind == "" && r.Position == nil && !r.Reset {
		r = messages.Result{Kind: messages.KindInternal, Detail: "a worker told no position"}
	}
	if r.Kind != "" {
		return r, ReadError{r}
	}
	return r, nil
}
