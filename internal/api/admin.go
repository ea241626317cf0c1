package api

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttpadaptor"
)

// maxAdminConnections is how many connections to the admin address the API has at once, without
// streams. They are counted by themselves, so that no flood of requests shuts operators out.
const maxAdminConnections = 256

// Admin is the address at which operators check the program.
type Admin interface {
	Addr() string // the IP address and the port that it listens on
	// Allow tells whether it may be asked under this name.
	Allow(host string) bool
	// Handler returns what the admin address answers by itself at this path, or nil.
	Handler(path string) http.Handler
	// Share offers each new connection to take, which owns those for which it returns true.
	Share(take func(net.Conn) bool)
}

// ServeOn has the API answer on the admin address, too, with the console whether CONSOLE is set or
// not, so that nobody has to open that to the public. What the address answers by itself it still
// does. The API has the connections themselves, so all else is as on its own address: who may do
// what, who is charged, limits, streams, and what TRUSTED_PROXIES say.
//
// Where no tokens are asked for it does so on a loopback address only: who opened the health and the
// metrics to others did not open everybody's settings. Call it before Run.
func (s *Server) ServeOn(admin Admin) error {
	addr, err := netip.ParseAddrPort(admin.Addr())
	if err != nil {
		return fmt.Errorf("ADMIN_ADDR: %w", err)
	}
	if s.auth == nil && !addr.Addr().Unmap().IsLoopback() {
		s.log.Warn("the console is not on the admin address, which other machines reach, as there "+
			"is no authentication", "addr", admin.Addr())
		return nil
	}
	shared := &offered{
		addr: net.TCPAddrFromAddrPort(addr), conns: make(chan net.Conn), done: make(chan struct{}),
	}
	l := newListener(shared, s.config.ReadTimeout, newAdmission(maxAdminConnections, s.front.proxies))
	l.of = admin
	s.listeners = append(s.listeners, l)
	admin.Share(shared.take)
	return nil
}

// offered is a listener whose connections another one has accepted.
type offered struct {
	addr    net.Addr
	conns   chan net.Conn
	serving atomic.Bool // Accept was called
	closing sync.Once
	done    chan struct{}
}

// take hands a connection over, or returns false while nobody accepts it.
func (o *offered) take(c net.Conn) bool {
	if !o.serving.Load() {
		return false
	}
	select {
	case o.conns <- c:
		return true
	case <-o.done:
		return false
	}
}

// Accept returns the next connection.
func (o *offered) Accept() (net.Conn, error) {
	o.serving.Store(true)
	select {
	case c := <-o.conns:
		return c, nil
	case <-o.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (o *offered) Close() error {
	o.closing.Do(func() { close(o.done) })
	return nil
}

// Addr is the address of the other listener.
func (o *offered) Addr() net.Addr { return o.addr }

// adminOf is the admin address that a request came to, or nil.
func adminOf(c *fasthttp.RequestCtx) Admin {
	if conn, ok := c.Conn().(*connection); ok {
		return conn.listener.of
	}
	return nil
}

// answeredByAdmin answers what the admin address answers by itself. A body is nobody's there, and
// the adapter would read all of it.
func answeredByAdmin(c *fasthttp.RequestCtx) bool {
	admin := adminOf(c)
	if admin == nil || !c.IsGet() && !c.IsHead() || c.RequestBodyStream() != nil {
		return false
	}
	h := admin.Handler(string(c.Path()))
	if h != nil {
		fasthttpadaptor.NewFastHTTPHandler(h)(c)
	}
	return h != nil
}
