package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/outset-settings/outset/internal/clock"
	"github.com/outset-settings/outset/pkg/messages"
)

// How the workers are counted.
const (
	countEvery   = time.Second
	recountEvery = 100 * time.Millisecond // while there are none
	countWindow  = 300 * time.Millisecond // how long they have to answer
	// A worker that took part in none of so many counts is taken as gone.
	maxMissed = 2
	forget    = time.Minute
)

// What is taken of whoever claims to be a worker. All beyond it is dropped, so that no flood of
// answers costs more than this.
const (
	maxMembers   = 1024
	maxPong      = 4 << 10        // bytes of an answer to a count; a worker's has about 250
	maxPongs     = 2 * maxMembers // answers that are read in one count
	maxPongBytes = 1 << 20        // of the answers that wait to be read
)

// pingSubject is where every worker answers (NATS micro protocol, ADR-32).
const pingSubject = "$SRV.PING." + messages.ServiceName

// workers is what is known of the workers: who took part in the last counts, what they know, and
// when each last gave a sign of life. It is told of replies, and counts the workers every second.
type workers struct {
	nc    *nats.Conn
	grace time.Duration
	log   *slog.Logger
	clock clock.Clock // the database's

	cancel   context.CancelFunc
	counting sync.WaitGroup
	nobody   chan string // the reply subject of a count that reached nobody

	mu       sync.Mutex
	members  map[string]member // by the worker's id; at most maxMembers
	last     time.Time         // that any of them gave a sign of life
	current  int               // the number of the count under way, or of the last one
	finished int               // the number of the last count that has ended
	pongs    int               // answers that were read since the count began
	began    time.Time         // when the count began
}

// member is what is known of one worker.
type member struct {
	seen     time.Time
	answered time.Time       // the last request
	counted  int             // the number of the last count that it took part in; 0: none
	knows    messages.Action // the highest action; 0: it has not told
	lost     bool            // it can't reach its database
	time     int64           // as the answer to a count told it, see learnTime
}

func newWorkers(nc *nats.Conn, grace time.Duration, log *slog.Logger) *workers {
	return &workers{
		nc: nc, grace: grace, log: log, members: make(map[string]member), nobody: make(chan string, 1),
	}
}

// ready returns nil if there is a worker that knows all actions, and NATS carries all messages.
// While there are only older workers, an API that replaces an older one is not ready.
func (w *workers) ready() error {
	if !w.nc.IsConnected() {
		return errors.New("NATS is not connected")
	}
	if most := w.nc.MaxPayload(); most < messages.MinPayload {
		return fmt.Errorf("the NATS server's max_payload is %d bytes, and must be at least %d",
			most, messages.MinPayload)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	var lost, older bool
	for _, m := range w.members {
		switch {
		case !w.isPresent(m):
		case m.lost:
			lost = true
		case m.knows >= messages.LastAction:
			return nil
		default:
			older = true
		}
	}
	switch {
	case lost:
		return errors.New(noDatabase)
	case older:
		return errors.New("the workers are older than the API; upgrade them first")
	default:
		return errors.New("no worker answers")
	}
}

// heardFrom notes that a worker has just answered.
func (w *workers) heardFrom(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = time.Now()
	m := w.members[id]
	m.seen, m.answered = w.last, w.last
	w.note(id, m)
}

// note notes what is known of a worker, unless it is one too many. The lock is held.
func (w *workers) note(id string, m member) {
	if _, known := w.members[id]; known || len(w.members) < maxMembers {
		w.members[id] = m
	}
}

// thatKnows returns a worker that knows the action, or "" if there is none.
func (w *workers) thatKnows(action messages.Action) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, m := range w.members { // in random order
		if m.knows >= action && w.isPresent(m) && !m.lost {
			return id
		}
	}
	return ""
}

// anyOlder tells whether there is a worker that does not know the action.
func (w *workers) anyOlder(action messages.Action) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.members {
		if m.knows < action && w.isPresent(m) {
			return true
		}
	}
	return false
}

// noDatabase is why there is nobody in the queue group while workers are there.
const noDatabase = "no worker reaches its database"

// anyLost tells whether there is a worker that can't reach its database.
func (w *workers) anyLost() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.members {
		if m.lost && w.isPresent(m) {
			return true
		}
	}
	return false
}

// isPresent tells whether a worker took part in one of the last counts, or in an earlier one and
// has answered requests since: its answer to a count may get lost where there are too many. The
// lock is held.
func (w *workers) isPresent(m member) bool {
	return m.counted > 0 &&
		(m.counted >= w.current-maxMissed || time.Since(m.answered) < maxMissed*countEvery)
}

// present is how many workers there are that reach their database, or that have lost it.
func (w *workers) present(lost bool) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.presentLocked(lost)
}

func (w *workers) presentLocked(lost bool) (n int) {
	for _, m := range w.members {
		if m.lost == lost && w.isPresent(m) {
			n++
		}
	}
	return n
}

// comingBack tells whether a worker was here so recently that another, or the same one restarted,
// can be expected. Then a request is better held than refused.
func (w *workers) comingBack() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.last.IsZero() && time.Since(w.last) < w.grace
}

// heardSince returns a worker that has given a sign of life after t. If there is none it waits for
// the next counts, and returns "" if they find none or ctx ends.
func (w *workers) heardSince(ctx context.Context, t time.Time) string {
	began, _ := w.counts()
	for {
		if id := w.seenAfter(t); id != "" {
			return id
		}
		if _, finished := w.counts(); finished >= began+maxMissed || ctx.Err() != nil {
			return ""
		}
		wait(ctx, pollEvery)
	}
}

func (w *workers) seenAfter(t time.Time) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, m := range w.members { // in random order
		if id != "" && m.seen.After(t) && !m.lost {
			return id
		}
	}
	return ""
}

// counts returns the numbers of the count under way, or the last one, and of the last that has
// ended.
func (w *workers) counts() (current, finished int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.current, w.finished
}

// start counts the workers again and again until stop, and reports how many there are.
func (w *workers) start(ctx context.Context, report func(workers int)) error {
	inbox := w.nc.NewInbox() + "."
	sub, err := w.nc.Subscribe(inbox+"*", w.receive)
	if err == nil {
		err = sub.SetPendingLimits(maxPongs, maxPongBytes)
	}
	if err != nil {
		return err
	}
	ctx, w.cancel = context.WithCancel(ctx)
	w.counting.Go(func() {
		defer func() { _ = sub.Unsubscribe() }()
		for ctx.Err() == nil {
			began, pause := time.Now(), recountEvery
			if n := w.count(ctx, inbox); n > 0 {
				report(n)
				pause = countEvery
			}
			wait(ctx, pause-time.Since(began))
		}
	})
	return nil
}

func (w *workers) stop() {
	if w.cancel != nil {
		w.cancel()
	}
	w.counting.Wait()
}

// count asks all workers to answer, and returns how many there are.
func (w *workers) count(ctx context.Context, inbox string) int {
	reply := inbox + strconv.Itoa(w.begin())
	if err := w.nc.PublishRequest(pingSubject, reply, nil); err != nil { // not connected
		return w.end(false)
	}
	window := time.NewTimer(countWindow)
	defer window.Stop()
	for {
		select {
		case subject := <-w.nobody:
			if subject == reply {
				return w.end(true)
			}
		case <-window.C:
			return w.end(false)
		case <-ctx.Done():
			return 0
		}
	}
}

// begin begins a count and returns its number.
func (w *workers) begin() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.current++
	w.pongs, w.began = 0, time.Now()
	return w.current
}

// receive takes an answer to a count. One to an earlier count tells nothing of the time.
func (w *workers) receive(m *nats.Msg) {
	if isNoResponders(m) {
		select {
		case w.nobody <- m.Subject:
		default:
		}
		return
	}
	if !w.mayRead() {
		return
	}
	if id, told, err := decodePong(m.Data); err == nil {
		w.counted(id, told)
		w.learnTime(told.time, m.Subject)
	}
}

// mayRead tells whether another answer is read in this count.
func (w *workers) mayRead() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pongs++
	return w.pongs <= maxPongs
}

// decodePong reads what claims to be a worker's answer to a count, see [messages.ServiceName]: its
// id, the highest action that it knows, and whether it reaches its database. One that does not tell
// what it knows knows nothing.
func decodePong(data []byte) (id string, told member, err error) {
	if len(data) > maxPong {
		return "", told, fmt.Errorf("the answer is over %d bytes", maxPong)
	}
	var pong micro.Ping
	if err := json.Unmarshal(data, &pong); err != nil {
		return "", told, fmt.Errorf("not an answer to a ping: %w", err)
	}
	if pong.Name != messages.ServiceName {
		return "", told, errors.New("the answer is another service's")
	}
	if err := messages.CheckWorker(pong.ID); err != nil {
		return "", told, err
	}
	action, err := strconv.ParseUint(pong.Metadata[messages.ActionsKey], 10, 8)
	if err != nil {
		action = 0
	}
	told.knows = messages.Action(action)
	now, err := strconv.ParseInt(pong.Metadata[messages.TimeKey], 10, 64)
	if err == nil && now > 0 && now <= messages.MaxTime {
		told.time = now
	}
	told.lost = pong.Metadata[messages.DatabaseKey] == messages.DatabaseLost
	return pong.ID, told, nil
}

// counted notes a worker's answer to a count. One that can't reach its database gives no sign of
// life, except by telling so for the first time: another may become the primary, and requests wait
// for that as long as for a worker. Then they are refused at once.
func (w *workers) counted(id string, told member) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := w.members[id]
	justLost := told.lost && !m.lost && m.counted > 0
	m.seen, m.counted, m.knows, m.lost = time.Now(), w.current, told.knows, told.lost
	if !m.lost || justLost {
		w.last = m.seen
	}
	w.note(id, m)
}

// learnTime takes over the time that a worker has told in its answer to this subject, in
// microseconds since 1970; 0: it has told none.
func (w *workers) learnTime(now int64, subject string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now == 0 || !strings.HasSuffix(subject, "."+strconv.Itoa(w.current)) {
		return
	}
	w.clock.Learn(time.UnixMicro(now), w.began, time.Now())
	w.clock.Warn(w.log)
}

// end ends a count and returns how many workers can serve. That NATS knew of nobody to ask is
// certain, and not waited for again.
func (w *workers) end(nobody bool) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.finished = w.current
	// It must not grow with every worker that ever was.
	maps.DeleteFunc(w.members, func(_ string, m member) bool { return time.Since(m.seen) > forget })
	if nobody {
		for id, m := range w.members {
			m.counted = 0
			w.members[id] = m
		}
	}
	return w.presentLocked(false)
}
