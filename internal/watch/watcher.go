package watch

import (
	"errors"
	"net"
	"os"
	"slices"
	"time"

	"github.com/outset-settings/outset/pkg/messages"
)

// hangUpWait is how long a heartbeat waits to learn whether the client has gone.
const hangUpWait = time.Millisecond

// sendBuffer bounds what the kernel keeps for a client that doesn't read. By default it keeps up to
// 4 MB: 256 streams of documents that nobody read took 1 GB of it.
const sendBuffer = 64 << 10

// Watcher is a connection on which a client gets a user's changes. The hub's lock guards all fields
// but conn.
type Watcher struct {
	hub    *Hub
	conn   net.Conn
	user   *user
	joined time.Time

	while     func() bool    // the client may go on watching; nil: for ever
	left      func()         // to be called when the watcher has gone, or nil
	documents bool           // events have the document
	head      []byte         // to be written before all events
	document  *documentEvent // to be written
	sent      messages.Tag   // the last version that was written

	started bool
	gone    bool
	beat    bool // a heartbeat is due
	writing bool // a goroutine is writing
}

// documentEvent is an event with the document. All watchers of the user share it.
type documentEvent struct {
	tag  messages.Tag
	text []byte
}

// Start takes the connection over. It writes the head of the response, then the state in r unless
// the client has it already, then all newer changes. lastEventID is the id of the last event that
// the client has seen, or "". Call it at most once. The hub closes the connection.
func (w *Watcher) Start(head []byte, r *messages.Result, lastEventID string) {
	h := w.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if w.gone {
		_ = w.conn.Close()
		return
	}
	limitBuffer(w.conn)
	closeAfterSilence(w.conn, max(2*h.config.Heartbeat, h.config.WriteTimeout))
	w.started, w.head, w.sent = true, appendRetry(head), r.Tag()
	if lastEventID != eventID(r.Tag()) {
		var document []byte
		if w.documents {
			document = documentOf(r)
		}
		w.head = appendEvent(w.head, stateOf(r), document)
	}
	if w.user.start(stateOf(r)) || w.user.wantsDocument(false) {
		h.ask(w.user)
	}
	w.user.wake()
}

// While has the stream end once valid returns false, within a heartbeat. Call it before Start.
// valid must not wait.
func (w *Watcher) While(valid func() bool) {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	w.while = valid
}

// OnLeave has left called once the watcher has gone. Call it before Start. left must not wait.
func (w *Watcher) OnLeave(left func()) {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	if w.gone {
		left()
		return
	}
	w.left = left
}

// Leave removes a watcher that was not started. It does not close the connection.
func (w *Watcher) Leave() {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	w.hub.remove(w)
}

// beat sends their heartbeat to all watchers of a phase.
func (h *Hub) beat(phase int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, u := range slices.Clone(h.byPhase[phase]) {
		for _, w := range slices.Clone(u.watchers) {
			if !w.started && time.Since(w.joined) > h.config.ReadTimeout+h.config.WriteTimeout {
				h.remove(w) // its connection broke before Start
				continue
			}
			if w.started && w.while != nil && !w.while() {
				h.remove(w)
				_ = w.conn.Close()
				continue
			}
			w.beat = true
			w.wake()
		}
	}
}

// latest returns the version that the watcher got last, or is about to get.
func (w *Watcher) latest() messages.Tag {
	if w.document != nil {
		return w.document.tag
	}
	return w.sent
}

// wake starts a goroutine that writes what is due.
func (w *Watcher) wake() {
	if !w.started || w.gone || w.writing || !w.isDue() {
		return
	}
	w.writing = true
	w.hub.tasks.Go(w.write)
}

func (w *Watcher) isDue() bool {
	return w.head != nil || w.document != nil || w.beat || w.isBehind()
}

// isBehind tells whether the watcher has another version than the user.
func (w *Watcher) isBehind() bool { return !w.documents && w.sent != w.user.state.Tag() }

// write writes until nothing is due. It removes the watcher if the connection fails or the client
// is too slow.
func (w *Watcher) write() {
	w.hub.config.Metrics.slowWatchers.Inc()
	defer w.hub.config.Metrics.slowWatchers.Dec()
	for {
		text, beat := w.next()
		if text == nil {
			return
		}
		if beat && hungUp(w.conn) || w.writeInTime(text) != nil {
			w.Leave()
			reset(w.conn)
			return
		}
	}
}

// next returns the text to write next, or nil. The text may be shared and must not be changed.
func (w *Watcher) next() (text []byte, beat bool) {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	switch {
	case w.gone:
	case w.head != nil:
		text, w.head = w.head, nil
	case w.document != nil:
		text, w.sent, w.document = w.document.text, w.document.tag, nil
	case w.isBehind():
		text, w.sent = w.user.appendSince(nil, w.sent.Version), w.user.state.Tag()
	case w.beat:
		text, beat, w.beat = heartbeat, true, false
	}
	w.writing = text != nil
	return text, beat
}

func (w *Watcher) writeInTime(text []byte) error {
	if err := w.conn.SetWriteDeadline(time.Now().Add(w.hub.config.WriteTimeout)); err != nil {
		return err
	}
	_, err := w.conn.Write(text)
	if err == nil {
		countEvents(w.hub.config.Metrics.toWatchers, text)
	}
	return err
}

// closeAfterSilence makes the kernel end a connection if the peer acknowledges nothing for so long,
// for instance because its machine is gone. By default the kernel retries for a quarter of an hour,
// and the watcher would count towards MaxWatchers all that time.
func closeAfterSilence(conn net.Conn, d time.Duration) {
	if tcp := tcpOf(conn); tcp != nil {
		if raw, err := tcp.SyscallConn(); err == nil {
			setUserTimeout(raw, d)
		}
	}
}

// limitBuffer bounds the kernel's buffer of a connection.
func limitBuffer(conn net.Conn) {
	if tcp := tcpOf(conn); tcp != nil {
		_ = tcp.SetWriteBuffer(sendBuffer) // the default does as well, and takes more memory
	}
}

// reset closes a connection and drops what its client has not read, which the kernel would
// otherwise keep trying to send.
func reset(conn net.Conn) {
	if tcp := tcpOf(conn); tcp != nil {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// tcpOf returns the TCP connection below, or nil.
func tcpOf(conn net.Conn) *net.TCPConn {
	for {
		wrapper, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		conn = wrapper.NetConn()
	}
	tcp, _ := conn.(*net.TCPConn)
	return tcp
}

// hungUp tells whether the client has ended the connection. A write would not show it: the first
// one after that still succeeds. What the client sends is ignored.
func hungUp(conn net.Conn) bool {
	if conn.SetReadDeadline(time.Now().Add(hangUpWait)) != nil {
		return true
	}
	var ignored [64]byte
	_, err := conn.Read(ignored[:])
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}
