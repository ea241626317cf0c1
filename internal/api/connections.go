package api

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

// How long, and how many bytes, a client may go on sending after an answer that ends its
// connection.
const (
	lingerTime  = 2 * time.Second
	lingerBytes = 16 << 20
)

// How many bytes a client may send beside what a body consists of: the frames of chunks, their
// extensions and trailers, whose length HTTP does not limit. Each byte of a body makes up for
// framing of others, since a chunk may be as small as one byte, with five for its frame.
const (
	maxFraming     = 128 << 10
	framingPerByte = 8
)

// errFraming ends a request with more than that.
var errFraming = errors.New("too many bytes that are no part of the body")

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

	mu       sync.Mutex
	open     map[*connection]struct{}
	retiring bool          // retire was called
	empty    chan struct{} // closed when no connection is open any more, after retire
	emptied  sync.Once
}

func newListener(l net.Listener, readTimeout time.Duration) *listener {
	return &listener{
		Listener: l, closed: sync.OnceValue(l.Close), readTimeout: readTimeout,
		open: make(map[*connection]struct{}), empty: make(chan struct{}),
	}
}

// Accept waits for the next connection. While the machine has no room for another it tries again,
// as net/http does: fasthttp would stop serving.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	for pause := minAcceptPause; err != nil && outOfRoom(err); pause = min(2*pause, maxAcceptPause) {
		time.Sleep(pause)
		c, err = l.Listener.Accept()
	}
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	conn := &connection{Conn: c, listener: l, retired: l.retiring}
	l.open[conn] = struct{}{}
	return conn, nil
}

// outOfRoom tells whether a connection couldn't be accepted because the process or the machine has
// too many open files or too little memory, so that a later one may be.
func outOfRoom(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) ||
		errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.ENOMEM)
}

// Close may be called more than once.
func (l *listener) Close() error { return l.closed() }

// retire ends all connections that wait for a request, and the others after their answers. It
// returns a channel that is closed when all have ended. Call it once, after the last Accept.
func (l *listener) retire() (empty <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.retiring = true
	for c := range l.open {
		c.retire()
	}
	l.closeIfEmpty()
	return l.empty
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

// connection is a client's connection. It knows whether it has read a byte of a request that is not
// answered yet. It ends in a way that cuts no such request and loses no answer:
//
//   - retire ends it only between two requests. A request that arrives at that very moment is not
//     read. The client sees the connection end without an answer, and the request is not carried
//     out.
//   - Close lets a client that may still be sending receive the answer first. Closing a connection
//     with unread data resets it, and the client often loses the answer: half of those that sent
//     1 MiB did.
type connection struct {
	net.Conn
	listener *listener

	lingers atomic.Bool // Close waits for the client to end its side
	ended   atomic.Bool // the client has ended its side

	mu      sync.Mutex
	begun   bool // a byte was read of a request that is not answered yet
	waiting bool // Read waits for the first byte of a request
	retired bool // no other request is read
	framing int  // bytes that were read of the request and are not made up for by its body
	head    incoming
}

// Read reads from the connection, or ends if it is retired and no request has begun.
func (c *connection) Read(p []byte) (int, error) {
	if err := c.mayRead(); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = false
	c.framing += n
	switch {
	case n > 0:
		if !c.begun {
			c.head.expect()
		}
		c.head.take(p[:n])
		if c.retired && !c.begun { // it came just before retire, which changed the deadline
			_ = c.SetReadDeadline(time.Now().Add(c.listener.readTimeout))
		}
		c.begun = true
	case c.retired && !c.begun:
		return 0, io.EOF // retire has ended the wait
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF): // TLS cut off is the latter
		c.ended.Store(true)
	}
	return n, err
}

func (c *connection) mayRead() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.retired && !c.begun:
		c.lingers.Store(true)
		return io.EOF
	case c.framing > maxFraming:
		return errFraming
	case c.head.bareLF: // or fasthttp might wait for its own idea of an end
		return errBareLF
	}
	c.waiting = !c.begun
	return nil
}

// received notes that so many bytes of a body have come.
func (c *connection) received(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.framing = max(c.framing-framingPerByte*n, 0)
}

// state is what fasthttp says of the connection. It says that a request is active before it reads
// on, and that the connection is idle when the answer is written; the beginning of the next request
// may be in its buffer then.
func (c *connection) state(s fasthttp.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch s {
	case fasthttp.StateActive:
		c.begun, c.framing = true, 0
	case fasthttp.StateIdle:
		c.begun, c.framing = false, 0
		c.head.forget()
	default:
	}
}

// retire ends the connection as soon as no request is under way.
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

// Close ends the connection. One that lingers first reads what the client still sends.
func (c *connection) Close() error {
	defer c.listener.forget(c)
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && c.lingers.Load() {
		if half.CloseWrite() == nil && c.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
			_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
		}
	}
	return c.Conn.Close()
}

// NetConn returns the connection below TLS. It is not for reading and writing.
func (c *connection) NetConn() net.Conn {
	if secure, ok := c.Conn.(*tls.Conn); ok {
		return secure.NetConn()
	}
	return c.Conn
}

// trackState passes what fasthttp reports on to the connection.
func trackState(conn net.Conn, s fasthttp.ConnState) {
	if c, ok := conn.(*connection); ok {
		c.state(s)
	}
}

// brokenOff tells whether a body ended because the connection did, so that it is incomplete.
// fasthttp takes that for the end of the body.
func brokenOff(c *fasthttp.RequestCtx) bool {
	conn, ok := c.Conn().(*connection)
	return ok && conn.ended.Load()
}

// linger is for an answer that is sent before the whole request was read.
func linger(c *fasthttp.RequestCtx) {
	if conn, ok := c.Conn().(*connection); ok {
		conn.lingers.Store(true)
	}
}

// streamOf returns the body of a request, or nil. Reading it tells the connection how much of what
// it reads is body.
func streamOf(c *fasthttp.RequestCtx) io.Reader {
	stream := c.RequestBodyStream()
	conn, ok := c.Conn().(*connection)
	if stream == nil || !ok {
		return stream
	}
	return metered{stream, conn}
}

type metered struct {
	io.Reader
	conn *connection
}

func (m metered) Read(p []byte) (int, error) {
	n, err := m.Reader.Read(p)
	m.conn.received(n)
	return n, err
}
