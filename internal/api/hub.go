package api

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/pkg/messages"
)

const (
	// phases are the parts of a heartbeat. Each user who is watched has one of them at random, so
	// that checks are spread evenly and still come in batches.
	phases = 20
	// changesWaiting is how many notifications may wait for the hub. What exceeds it NATS drops,
	// and a check finds it.
	changesWaiting = 8192
	// hurry is the pause between two phases when all users are checked at once.
	hurry = 25 * time.Millisecond
	// maxFailed bounds how many users are checked again in the next phase. During an outage all
	// checks fail; the others wait for their own phase.
	maxFailed = 256
)

// hub tells watchers of their users' changes. Workers publish these, and the hub subscribes to
// those of each user who is watched. NATS keeps nothing, so a notification may be lost; the hub
// asks for each user's version once in a heartbeat, and soon after NATS was away, and takes a
// higher one as a notification.
//
// An idle watcher costs a few hundred bytes and its connection: all subscriptions share one channel
// and one goroutine, and a watcher has a goroutine only while there is something to write.
type hub struct {
	nc        *nats.Conn
	reads     reader
	heartbeat time.Duration
	timeout   time.Duration // of a read
	most      int           // watchers
	log       *slog.Logger

	changes chan *nats.Msg
	cancel  context.CancelFunc
	tasks   sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	users    map[string]*watched // by the subject of their changes
	failed   []*watched          // to be checked again in the next phase
	wheel    [phases][]*watched
	watchers int
}

// reader has operations done that read, as the queue does.
type reader interface {
	Go(o *messages.Operation, done func(messages.Result, error)) error
}

// newHub returns a hub that works until its close.
func newHub(ctx context.Context, nc *nats.Conn,
	reads reader, config Config, log *slog.Logger,
) *hub {
	ctx, cancel := context.WithCancel(ctx)
	h := &hub{
		nc: nc, reads: reads, heartbeat: config.EventsHeartbeat, timeout: config.RequestTimeout,
		most: config.MaxWatchers, log: log,
		changes: make(chan *nats.Msg, changesWaiting), cancel: cancel,
		users: make(map[string]*watched),
	}
	h.tasks.Go(func() { h.hear(ctx) })
	h.tasks.Go(func() { h.turn(ctx) })
	return h
}

// close ends all watchers' connections, and waits until nothing of the hub is left.
func (h *hub) close() {
	h.cancel()
	h.mu.Lock()
	h.closed = true
	for _, u := range h.users {
		for _, w := range slices.Clone(u.watchers) {
			if h.remove(w); w.started {
				_ = w.conn.Close()
			}
		}
	}
	h.mu.Unlock()
	h.tasks.Wait()
}

// join makes a watcher of a user's changes, which begins with start, or ends with leave. Its error
// is a problem.
func (h *hub) join(conn net.Conn, user string, whole bool) (*watcher, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		return nil, problem{kind: messages.KindUnavailable, detail: "the API is stopping"}
	case h.watchers >= h.most:
		return nil, problem{kind: messages.KindOverloaded, detail: "too many are watching already"}
	}
	u, err := h.watch(user)
	if err != nil {
		return nil, problem{kind: messages.KindUnavailable, detail: "the queue can't be reached"}
	}
	w := &watcher{conn: conn, user: u, whole: whole, joined: time.Now()}
	u.watchers = append(u.watchers, w)
	h.watchers++
	return w, nil
}

// watch returns the user among those who are watched. The subscription leaves on the connection
// before any request that is made afterwards.
func (h *hub) watch(user string) (*watched, error) {
	subject := messages.ChangedSubject(user)
	if u, ok := h.users[subject]; ok {
		return u, nil
	}
	sub, err := h.nc.ChanSubscribe(subject, h.changes)
	if err != nil {
		return nil, err
	}
	u := &watched{id: user, subscription: sub, phase: rand.IntN(phases)} //nolint:gosec // no secret
	h.wheel[u.phase] = append(h.wheel[u.phase], u)
	h.users[subject] = u
	return u, nil
}

// leave ends a watcher that was not started.
func (h *hub) leave(w *watcher) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.remove(w)
}

// drop ends a watcher whose connection is of no use any more.
func (h *hub) drop(w *watcher) {
	h.leave(w)
	_ = w.conn.Close()
}

// remove forgets a watcher, and its user if it was the last one.
func (h *hub) remove(w *watcher) {
	u := w.user
	i := slices.Index(u.watchers, w)
	if i < 0 {
		return
	}
	w.gone = true
	u.watchers = slices.Delete(u.watchers, i, i+1)
	h.watchers--
	if len(u.watchers) > 0 {
		return
	}
	_ = u.subscription.Unsubscribe() // fails where the connection is closed for good
	delete(h.users, u.subscription.Subject)
	phase := h.wheel[u.phase]
	phase[slices.Index(phase, u)] = phase[len(phase)-1]
	phase[len(phase)-1] = nil
	h.wheel[u.phase] = phase[:len(phase)-1]
}

// start begins to write to a watcher: first the greeting, then what is newer than the version that
// this tells of.
func (h *hub) start(w *watcher, greeting []byte, told messages.Changed) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if w.gone {
		_ = w.conn.Close()
		return
	}
	giveUpAfter(w.conn, max(2*h.heartbeat, defaultTiming.write))
	w.started, w.greeting, w.sent = true, greeting, told.Version
	w.user.note(told)
	h.spread(w.user)
}

// hear takes the notifications.
func (h *hub) hear(ctx context.Context) {
	for {
		select {
		case m := <-h.changes:
			if c, err := messages.DecodeChanged(m.Data); err == nil {
				h.changed(m.Subject, c)
			} else {
				h.log.Warn("a notification can't be read", "subject", m.Subject, "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// changed notes a change of a user who may be watched.
func (h *hub) changed(subject string, c messages.Changed) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if u, ok := h.users[subject]; ok && u.note(c) {
		h.spread(u)
	}
}
