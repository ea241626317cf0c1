package watch

import (
	"errors"
	"net"
	"os"
	"slices"
	"time"

	"github.com/outset-settings/outset/pkg/messages"
)

// hangUpWait is how long a heartbeat waits for the news that the client has gone.
const hangUpWait = time.Millisecond

// Watcher is a connection on which a client hears of a user's changes. All but conn is for whoever
// has locked the hub.
type Watcher struct {
	hub    *Hub
	conn   net.Conn
	user   *user
	joined time.Time

	documents bool           // events have the document
	head      []byte         // written before all events
	document  *documentEvent // to be written
	sent      int64          // the version that was written last

	started bool
	gone    bool
	beat    bool // a heartbeat is due
	writing bool // a goroutine is writing
}

// documentEvent is an event with the document in it, the same for all watchers of the user.
type documentEvent struct {
	version int64
	text    []byte
}

// Start takes the connection over: it writes the head of the response, then the state that r has
// read, unless the client has seen that already, then what is newer. lastEventID is the id of the
// last event that the client has seen, or "". It is called at most once; the hub closes the
// connection.
func (w *Watcher) Start(head []byte, r *messages.Result, lastEventID string) {
	h := w.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if w.gone {
		_ = w.conn.Close()
		return
	}
	closeAfterSilence(w.conn, max(2*h.config.Heartbeat, h.config.WriteTimeout))
	w.started, w.head, w.sent = true, appendRetry(head), r.Version
	if lastEventID != eventID(r.Version) {
		var document []byte
		if w.documents {
			document = documentOf(r)
		}
		w.head = appendEvent(w.head, stateOf(r), document)
	}
	h.tell(w.user, stateOf(r))
}

// Leave ends a watcher that was not started, and leaves its connection alone.
func (w *Watcher) Leave() {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	w.hub.remove(w)
}

// beat gives all watchers of a phase their heartbeat.
func (h *Hub) beat(phase int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, u := range slices.Clone(h.byPhase[phase]) {
		for _, w := range slices.Clone(u.watchers) {
			if !w.started && time.Since(w.joined) > h.config.ReadTimeout+h.config.WriteTimeout {
				h.remove(w) // its connection broke before Start
				continue
			}
			w.beat = true
			w.wake()
		}
	}
}

// latest is the version that the watcher has got or is about to get.
func (w *Watcher) latest() int64 {
	if w.document != nil {
		return w.document.version
	}
	return w.sent
}

// wake writes what is due, on a goroutine of its own.
func (w *Watcher) wake() {
	if !w.started || w.gone || w.writing || !w.isDue() {
		return
	}
	w.writing = true
	w.hub.tasks.Go(w.write)
}

func (w *Watcher) isDue() bool {
	return w.head != nil || w.document != nil || w.beat ||
		!w.documents && w.sent < w.user.newest()
}

// write writes until nothing is due. A watcher whose connection fails, or takes nothing for too
// long, is dropped.
func (w *Watcher) write() {
	for {
		text, beat := w.next()
		if text == nil {
			return
		}
		if beat && hungUp(w.conn) || w.writeInTime(text) != nil {
			w.Leave()
			_ = w.conn.Close()
			return
		}
	}
}

// next returns what is to be written next, or nil. It may be shared and must not be changed.
func (w *Watcher) next() (text []byte, beat bool) {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	switch {
	case w.gone:
	case w.head != nil:
		text, w.head = w.head, nil
	case w.document != nil:
		text, w.sent, w.document = w.document.text, w.document.version, nil
	case !w.documents && w.sent < w.user.newest():
		for _, c := range w.user.recent {
			if c.Version > w.sent {
				text, w.sent = appendEvent(text, c, nil), c.Version
			}
		}
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
	return err
}

// closeAfterSilence has the kernel end a connection when nothing of what was sent has been
// acknowledged for so long, as by a machine that is gone. By itself it would try for a quarter of
// an hour, and the watcher would count all that time.
func closeAfterSilence(conn net.Conn, d time.Duration) {
	if wrapper, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = wrapper.NetConn()
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		if raw, err := tcp.SyscallConn(); err == nil {
			setUserTimeout(raw, d)
		}
	}
}

// hungUp tells whether the client has ended the connection: the first write after that would still
// succeed. What the client sends is ignored.
func hungUp(conn net.Conn) bool {
	if conn.SetReadDeadline(time.Now().Add(hangUpWait)) != nil {
		return true
	}
	var ignored [64]byte
	_, err := conn.Read(ignored[:])
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}
