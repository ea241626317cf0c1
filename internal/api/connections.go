package api

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
	"golang.org/x/time/rate"
)

// How long, and how many bytes, a client may go on sending after an answer that ends its
// connection.
const (
	lingerTime  = 2 * time.Second
	lingerBytes = 16 << 20
)

// How much is read at once of what clients send after the answer, which nobody wants, and a second
// of all of them. Enough for one to send lingerBytes in time; what is more keeps a processor busy:
// refused imports took 60 % of one.
const (
	lingerRead = 8 << 10
	lingerRate = 12 << 20
)

var lingering = newLingerPace()

func newLingerPace() *rate.Limiter { return rate.NewLimiter(lingerRate, lingerRead) }

// How many bytes a client may send beside what a body consists of: the frames of chunks, their
// extensions and trailers, whose length HTTP does not limit. Each byte of a body makes up for
// framing of others, since a chunk may be as small as one byte, with five for its frame.
const (
	maxFraming     = 128 << 10
	framingPerByte = 8
)

// errFraming ends a request with more than that.
var errFraming = errors.New("too many bytes that are no part of the body")

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
	seat     seat

	lingers atomic.Bool // Close waits for the client to end its side
	ended   atomic.Bool // the client has ended its side

	mu      sync.Mutex
	begun   bool // a byte was read of a request that is not answered yet
	waiting bool // Read waits for the first byte of a request
	retired bool // no other request is read
	evicted bool // there was no room for it
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
		c.lingers.Store(!c.evicted)
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

// evict ends the connection, which has no request or only the beginning of one. It doesn't linger:
// that would take the room that it has to make.
func (c *connection) evict() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retired, c.evicted = true, true
	_ = c.SetReadDeadline(time.Unix(1, 0)) // fails if the connection is gone
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
			discard(c.Conn, lingering)
		}
	}
	return c.Conn.Close()
}

// discard reads what a client sends, at most lingerBytes in lingerTime, and no faster than it may.
func discard(r io.Reader, pace *rate.Limiter) {
	ctx, cancel := context.WithTimeout(context.Background(), lingerTime)
	defer cancel()
	unwanted := make([]byte, lingerRead)
	for left := lingerBytes; left > 0; {
		n, err := r.Read(unwanted)
		if err != nil {
			return
		}
		if pace.WaitN(ctx, n) != nil {
			<-ctx.Done() // closed with bytes unread, the client might not get to see its answer
			return
		}
		left -= n
	}
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
	c, ok := conn.(*connection)
	if !ok {
		return
	}
	c.state(s)
	switch s {
	case fasthttp.StateIdle:
		c.listener.admission.rest(c)
	case fasthttp.StateHijacked:
		c.listener.admission.leave(c)
	default:
	}
}

// occupy notes that the connection has a request, whose head has been read.
func occupy(c *fasthttp.RequestCtx) {
	conn, ok := c.Conn().(*connection)
	if !ok || conn.listener.admission.work(conn) {
		return
	}
	// The request came while the connection was ended to make room. It is carried out.
	c.SetConnectionClose()
	_ = c.SetReadDeadline(time.Now().Add(conn.listener.readTimeout)) // fails if it is gone
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
