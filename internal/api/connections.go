package api

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// How long and how much a client may send on after the answer that ended its connection.
const (
	lingerTime  = 2 * time.Second
	lingerBytes = 16 << 20
)

// listener counts the connections that it has accepted, so that an API that stops can end those
// without a request and wait for the others.
type listener struct {
	net.Listener
	closed      func() error  // closes the Listener, once
	readTimeout time.Duration // for a request to arrive

	mu       sync.Mutex
	open     map[*connection]struct{}
	retiring bool          // connections that wait for a request end
	empty    chan struct{} // closed when none is open any more, after retire
	emptied  sync.Once
}

func newListener(l net.Listener, readTimeout time.Duration) *listener {
	return &listener{
		Listener: l, closed: sync.OnceValue(l.Close), readTimeout: readTimeout,
		open: make(map[*connection]struct{}), empty: make(chan struct{}),
	}
}

// Accept waits for the next connection.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	conn := &connection{Conn: c, listener: l, retired: l.retiring}
	l.open[conn] = struct{}{}
	return conn, nil
}

// Close may be called more than once.
func (l *listener) Close() error { return l.closed() }

// retire ends all connections that wait for a request, the others when they have their answers.
// The returned channel is closed when all have ended. It is
// called once, when Accept is called no more.
func (l *listener) retire() (empty <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.retiring = true
	for c := range l.open {
		c.retire()
	}
	l.tellIfEmpty()
	return l.empty
}

// abort closes all connections, whatever happens on them.
func (l *listener) abort() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.open {
		_ = c.Conn.Close()
	}
}

// begun returns how many connections have a request that is not answered yet.
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
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, c)
	l.tellIfEmpty()
}

func (l *listener) tellIfEmpty() {
	if l.retiring && len(l.open) == 0 {
		l.emptied.Do(func() { close(l.empty) })
	}
}

// connection is a client's connection. It knows whether any byte of a request has been read that is
// not answered yet, and ends in a way that no such request is cut and no answer lost:
//
//   - retire ends it only between two requests. A request that arrives at that very moment is not
//     read: the client sees the end of the connection instead of an answer, and nothing of the
//     request was done.
//   - Close lets the client take the answer first, where it may still be sending. Closing a
//     connection on which more has come than was read resets it, and the client mostly loses the
//     answer: half of those that sent 1 MiB did.
type connection struct {
	net.Conn
	listener *listener

	lingers atomic.Bool // Close waits for the client to end its side
	ended   atomic.Bool // the client has ended its side

	mu      sync.Mutex
	begun   bool // a byte of a request was read, which is not answered yet
	waiting bool // Read waits for the first byte of a request
	retired bool // no further request is read
}

// Read reads from the connection, or ends if it is retired and no request has begun.
func (c *connection) Read(p []byte) (int, error) {
	if !c.mayRead() {
		return 0, io.EOF
	}
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = false
	switch {
	case n > 0:
		if c.retired && !c.begun { // it came just before retire, which has changed the deadline
			_ = c.SetReadDeadline(time.Now().Add(c.listener.readTimeout))
		}
		c.begun = true
	case c.retired && !c.begun:
		return 0, io.EOF // retire has ended the wait
	case err == io.EOF: //nolint:errorlint // as the net package has it
		c.ended.Store(true)
	}
	return n, err
}

func (c *connection) mayRead() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.retired && !c.begun {
		c.lingers.Store(true)
		return false
	}
	c.waiting = !c.begun
	return true
}

// state is what fasthttp says of the connection. It says that a request is active before it reads
// on, and that the connection is idle when the answer is written; the beginning of the next request
// may be in its buffer then.
func (c *connection) state(s fasthttp.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch s {
	case fasthttp.StateActive:
		c.begun = true
	case fasthttp.StateIdle:
		c.begun = false
	default:
	}
}

// retire ends the connection as soon as it has no request.
func (c *connection) retire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retired = true
	if c.waiting {
		c.lingers.Store(true)
		_ = c.SetReadDeadline(time.Unix(1, 0)) // fails if the connection is gone
	}
}

func (c *connection) hasRequest() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.begun
}

// Close ends the connection: where it lingers, after all that the client still sends.
func (c *connection) Close() error {
	defer c.listener.forget(c)
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && c.lingers.Load() {
		if half.CloseWrite() == nil && c.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
			_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
		}
	}
	return c.Conn.Close()
}

// NetConn returns the connection below.
func (c *connection) NetConn() net.Conn { return c.Conn }

// trackState tells a connection what fasthttp does with it.
func trackState(conn net.Conn, s fasthttp.ConnState) {
	if c, ok := conn.(*connection); ok {
		c.state(s)
	}
}

// brokenOff tells whether a body came to its end with the connection, which no body does. fasthttp
// takes that for an end like any other.
func brokenOff(c *fasthttp.RequestCtx) bool {
	conn, ok := c.Conn().(*connection)
	return ok && conn.ended.Load()
}

// linger is for an answer that comes before the request was read to its end.
func linger(c *fasthttp.RequestCtx) {
	if conn, ok := c.Conn().(*connection); ok {
		conn.lingers.Store(true)
	}
}
