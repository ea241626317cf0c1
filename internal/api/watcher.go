package api

import (
	"errors"
	"net"
	"os"
	"time"
)

// heartbeatComment is what a client ignores and a dead connection doesn't take.
var heartbeatComment = []byte(": heartbeat\n\n")

// eavesdrop is how long a heartbeat waits for the news that the client has gone.
const eavesdrop = time.Millisecond

// watcher is a connection on which a client hears of a user's changes. All but conn is under the
// hub's lock.
type watcher struct {
	conn   net.Conn
	user   *watched
	joined time.Time

	whole    bool           // with the document
	greeting []byte         // what is to be written first
	document *documentEvent // to be written
	sent     int64          // the version that was written last

	started bool
	gone    bool
	beat    bool // a heartbeat is due
	writing bool // a goroutine does
}

// documentEvent is an event with the document in it, as all watchers of the user get it.
type documentEvent struct {
	version int64
	bytes   []byte
}

// promised is the version that the watcher has been told of or will be.
func (w *watcher) promised() int64 {
	if w.document != nil {
		return w.document.version
	}
	return w.sent
}

// wake writes what there is to write to a watcher, on a goroutine of its own.
func (h *hub) wake(w *watcher) {
	if !w.started || w.gone || w.writing || !w.due() {
		return
	}
	w.writing = true
	h.tasks.Go(func() { h.serve(w) })
}

// due tells whether there is anything to write.
func (w *watcher) due() bool {
	return w.greeting != nil || w.document != nil || w.beat || !w.whole && w.sent < w.user.newest()
}

// serve writes to a watcher until there is nothing more to write. One whose connection fails, or
// takes nothing for too long, is dropped.
func (h *hub) serve(w *watcher) {
	for {
		text, beat := h.next(w)
		if text == nil {
			return
		}
		if beat && hungUp(w.conn) || writeInTime(w.conn, text) != nil {
			h.drop(w)
			return
		}
	}
}

// next returns what is to be written next, or nil. It may be shared and isn't to be changed.
func (h *hub) next(w *watcher) (text []byte, beat bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case w.gone:
	case w.greeting != nil:
		text, w.greeting = w.greeting, nil
	case w.document != nil:
		text, w.sent, w.document = w.document.bytes, w.document.version, nil
	case !w.whole && w.sent < w.user.newest():
		for _, c := range w.user.recent {
			if c.Version > w.sent {
				text, w.sent = appendEvent(text, c, nil), c.Version
			}
		}
	case w.beat:
		text, beat, w.beat = heartbeatComment, true, false
	}
	w.writing = text != nil
	return text, beat
}

func writeInTime(conn net.Conn, text []byte) error {
	if err := conn.SetWriteDeadline(time.Now().Add(defaultTiming.write)); err != nil {
		return err
	}
	_, err := conn.Write(text)
	return err
}

// giveUpAfter has the kernel end a connection when nothing of what was sent has been acknowledged
// for so long, as from a machine that is gone. By itself it would try for a quarter of an hour, and
// the watcher keep its place.
func giveUpAfter(conn net.Conn, d time.Duration) {
	if c, ok := conn.(*connection); ok {
		conn = c.Conn
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		if raw, err := tcp.SyscallConn(); err == nil {
			setUserTimeout(raw, d)
		}
	}
}

// hungUp tells whether the client has ended the connection. The first write after that would still
// be taken. What a client sends is of no interest.
func hungUp(conn net.Conn) bool {
	if conn.SetReadDeadline(time.Now().Add(eavesdrop)) != nil {
		return true
	}
	var scrap [64]byte
	_, err := conn.Read(scrap[:])
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}
