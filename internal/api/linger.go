package api

import (
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// How long and how much a client that was refused in the middle of its body may send on.
const (
	lingerTime  = 2 * time.Second
	lingerBytes = 16 << 20
)

// lingeringListener makes connections that can linger.
type lingeringListener struct{ net.Listener }

// Accept waits for the next connection.
func (l lingeringListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &lingeringConn{Conn: c}, nil
}

// lingeringConn knows whether the client has ended its side, and can be told to linger: then
// closing it lets the client hear the answer first. To close a connection on which more has come
// than was read resets it, and a client that still sends then mostly loses the answer. Half of
// those that sent 1 MiB did.
type lingeringConn struct {
	net.Conn
	lingers atomic.Bool
	ended   atomic.Bool
}

// Read notes the end of what the client sends.
func (c *lingeringConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == io.EOF { //nolint:errorlint // as the net package has it
		c.ended.Store(true)
	}
	return n, err
}

// Close ends the connection, in the case above after all that the client still sends.
func (c *lingeringConn) Close() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && c.lingers.Load() {
		if half.CloseWrite() == nil && c.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
			_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
		}
	}
	return c.Conn.Close()
}

// brokenOff tells whether a body came to its end with the connection, which no body does. fasthttp
// takes that for an end like any other.
func brokenOff(c *fasthttp.RequestCtx) bool {
	conn, ok := c.Conn().(*lingeringConn)
	return ok && conn.ended.Load()
}

// linger is for an answer that comes before the request was read to its end.
func linger(c *fasthttp.RequestCtx) {
	if conn, ok := c.Conn().(*lingeringConn); ok {
		conn.lingers.Store(true)
	}
}
