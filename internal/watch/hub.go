// Package watch tells clients of their users' changes as they happen, as server-sent events (HTML,
// section 9.2) on connections that it takes over.
//
// The path of a change: a notification from NATS, or a check (news.go) → a read of the user's state
// → the user (user.go) → each of the user's watchers → its connection (watcher.go). It never goes
// back.
package watch

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/pkg/messages"
)

// Why a client can't watch.
var (
	ErrClosed      = errors.New("the API is stopping")
	ErrTooMany     = errors.New("too many clients are watching already")
	ErrUnreachable = errors.New("the queue can't be reached")
)

const (
	// phases is how many parts a heartbeat is divided into. Each user has a random phase, so that
	// checks are spread evenly and still come in batches.
	phases = 20
	// maxNotifications is how many notifications may wait for the hub. The client of NATS drops the
	// rest, and a check finds those changes.
	maxNotifications = 8192
	// maxReads is how many users may be read at once. Others wait for their turn, so that the
	// changes of many users at once leave the queue to those who ask over HTTP.
	maxReads = 512
)

// Reader carries out reading operations. It calls done exactly once, on another goroutine.
type Reader interface {
	Go(o *messages.Operation, done func(messages.Result))
	// Deadline is the Deadline of an operation that has so much time from now on.
	Deadline(timeout time.Duration) int64
}

// Config has the limits of a hub.
type Config struct {
	MaxWatchers int
	// Heartbeat is how often a watcher gets a comment that shows that the stream is alive, and how
	// often a user's version is checked.
	Heartbeat time.Duration
	// ReadTimeout is how long a read may take.
	ReadTimeout time.Duration
	// WriteTimeout is how long a client may take for what is written at once.
	WriteTimeout time.Duration
	// Metrics count what the hub or the feed does.
	Metrics *Metrics
}

// Hub has all watchers, by user. Workers publish each change, and the hub subscribes to the changes
// of watched users. A notification is only a hint to read the user's state: whoever reaches NATS
// could make one up. And NATS stores nothing, so one may be lost. Therefore the hub also reads each
// user's version once in a heartbeat, and soon after NATS reconnects. Watchers get what the
// database says, also where its version has gone back, as after the restoration of a backup.
//
// An idle watcher costs a few hundred bytes and its connection: all subscriptions share one channel
// and one goroutine, and a watcher has a goroutine only while there is something to write.
type Hub struct {
	nc     *nats.Conn
	reader Reader
	config Config
	log    *slog.Logger

	notifications chan *nats.Msg
	cancel        context.CancelFunc
	tasks         sync.WaitGroup

	mu       sync.Mutex // guards all below, the users and their watchers
	closed   bool
	users    map[string]*user // by the subject of their changes
	byPhase  [phases][]*user
	failed   []*user // to be read again in the next phase
	due      []*user // to be read when it is their turn
	reads    int     // under way
	watchers int
}

// New returns a hub that works until its Close.
func New(nc *nats.Conn, reader Reader, config Config, log *slog.Logger) *Hub {
	ctx, cancel := context.WithCancel(context.Background())
	h := &Hub{
		nc: nc, reader: reader, config: config, log: log,
		notifications: make(chan *nats.Msg, maxNotifications), cancel: cancel,
		users: make(map[string]*user),
	}
	h.tasks.Go(func() { h.listen(ctx) })
	h.tasks.Go(func() { h.keepTime(ctx) })
	return h
}

// Close ends the connections of all watchers, and returns when all goroutines of the hub have
// ended. It may be called more than once.
func (h *Hub) Close() {
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

// Join makes a watcher of a user's changes, with the documents or without. From now on no change is
// missed; the watcher gets them after its Start. If Start isn't called, Leave must be. The error is
// ErrClosed, ErrTooMany or ErrUnreachable.
func (h *Hub) Join(conn net.Conn, id string, documents bool) (*Watcher, error) {
	w, err := h.add(conn, id, documents)
	if err != nil {
		return nil, err
	}
	// The state is read over another connection, so NATS must have the subscription by then.
	if !h.nc.IsConnected() || h.nc.FlushTimeout(h.config.ReadTimeout) != nil {
		w.Leave()
		return nil, ErrUnreachable
	}
	return w, nil
}

// add adds a watcher.
func (h *Hub) add(conn net.Conn, id string, documents bool) (*Watcher, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		return nil, ErrClosed
	case h.watchers >= h.config.MaxWatchers:
		return nil, ErrTooMany
	}
	u, err := h.userOf(id)
	if err != nil {
		return nil, ErrUnreachable
	}
	w := &Watcher{hub: h, conn: conn, user: u, documents: documents, joined: time.Now()}
	u.watchers = append(u.watchers, w)
	h.watchers++
	h.config.Metrics.watchers.Inc()
	return w, nil
}

// userOf returns a user. If nobody watches the user yet, it subscribes to the changes.
func (h *Hub) userOf(id string) (*user, error) {
	subject := messages.ChangedSubject(id)
	if u, ok := h.users[subject]; ok {
		return u, nil
	}
	sub, err := h.nc.ChanSubscribe(subject, h.notifications)
	if err != nil {
		return nil, err
	}
	u := &user{id: id, subscription: sub, phase: rand.IntN(phases)} //nolint:gosec // no secret
	h.byPhase[u.phase] = append(h.byPhase[u.phase], u)
	h.users[subject] = u
	return u, nil
}

// remove removes a watcher, and the user with the last one.
func (h *Hub) remove(w *Watcher) {
	u := w.user
	i := slices.Index(u.watchers, w)
	if i < 0 {
		return
	}
	w.gone = true
	if w.left != nil {
		w.left()
	}
	u.watchers = slices.Delete(u.watchers, i, i+1)
	h.watchers--
	h.config.Metrics.watchers.Dec()
	if len(u.watchers) > 0 {
		return
	}
	_ = u.subscription.Unsubscribe() // fails if the connection to NATS was closed
	delete(h.users, u.subscription.Subject)
	phase := h.byPhase[u.phase]
	phase[slices.Index(phase, u)] = phase[len(phase)-1]
	phase[len(phase)-1] = nil
	h.byPhase[u.phase] = phase[:len(phase)-1]
}
