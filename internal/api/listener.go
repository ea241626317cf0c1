package api

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// The pauses between attempts to accept a connection that there was no room for.
const (
	minAcceptPause = 5 * time.Millisecond
	maxAcceptPause = time.Second
)

// listener keeps track of its connections, so that an API that stops can end those without a
// request and wait for the others.
type listener struct {
	net.Listener
	closed      func() error  // closes the Listener once
	readTimeout time.Duration // for a request to arrive
	admission   *admission
	refused     atomic.Uint64 // connections
	of          Admin         // nil: the listener is at the API's own address

	mu       sync.Mutex
	open     map[*connection]struct{}
	retiring bool          // retire was called
	empty    chan struct{} // closed when no connection is open any more, after retire
	emptied  sync.Once
}

func newListener(l net.Listener, readTimeout time.Duration, admission *admission) *listener {
	return &listener{
		Listener: l, closed: sync.OnceValue(l.Close), readTimeout: readTimeout, admission: admission,
		open: make(map[*connection]struct{}), empty: make(chan struct{}),
	}
}

// Accept waits for the next connection that there is room for.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.acceptAny()
		if err != nil {
			return nil, err
		}
		conn := &connection{Conn: c, listener: l}
		if l.admission.admit(conn) {
			l.add(conn)
			return conn, nil
		}
		l.refused.Add(1)
		refuseConnection(c)
	}
}

// acceptAny waits for the next connection. While the machine has no room for another it tries
// again, as net/http does: fasthttp would stop serving.
func (l *listener) acceptAny() (net.Conn, error) {
	c, err := l.Listener.Accept()
	for pause := minAcceptPause; err != nil && outOfRoom(err); pause = min(2*pause, maxAcceptPause) {
		time.Sleep(pause)
		c, err = l.Listener.Accept()
	}
	return c, err
}

func (l *listener) add(c *connection) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[c] = struct{}{}
	if l.retiring {
		c.retire()
	}
}

// outOfRoom tells whether a connection couldn't be accepted because the process or the machine has
// too many open files or too little memory, so that a later one may be.
func outOfRoom(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) ||
		errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.ENOMEM)
}

// Close may be called more than once.
func (l *listener) Close() error { return l.closed() }

// retire ends all connections that wait for a request, and the others after their answers. The
// channel empty is closed when all have ended. Call it once, after the last Accept.
func (l *listener) retire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.retiring = true
	for c := range l.open {
		c.retire()
	}
	l.closeIfEmpty()
}

// abort closes all connections, with or without a request.
func (l *listener) abort() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.open {
		_ = c.NetConn().Close() // TLS would wait to say goodbye
	}
}

// begun counts the connections with a request that is not answered yet.
func (l *listener) begun() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.open {
		if c.hasRequest() {
			n++
		}
	}
	return n
}

func (l *listener) forget(c *connection) {
	l.admission.leave(c)
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, c)
	l.closeIfEmpty()
}

func (l *listener) closeIfEmpty() {
	if l.retiring && len(l.open) == 0 {
		l.emptied.Do(func() { close(l.empty) })
	}
}
