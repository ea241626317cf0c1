package api

import (
	"container/list"
	"net/netip"
	"sync"

	"github.com/outset-settings/outset/internal/access"
	"github.com/outset-settings/outset/internal/edge"
)

// admission decides which connections there is room for. An address may hold as many as are left:
// one alone half of all, the next a quarter. An address beyond that gives up the connection of its
// own that has been idle for longest; if all are in use, that of an address which holds more. So
// only connections in use are ever a reason to refuse one. A trusted proxy stands for many clients
// and may hold all.
//
// A connection is idle until the whole head of its request has come. Those that were handed over
// to internal/watch are not counted; MAX_WATCHERS bounds them.
type admission struct {
	proxies edge.Proxies

	mu      sync.Mutex
	left    int
	origins map[netip.Addr]*origin
	idle    list.List // of *connection, the one that is idle for longest first
}

// origin is an address with connections.
type origin struct {
	addr netip.Addr
	held int
	idle list.List
}

// seat is what admission knows of a connection. It is guarded by its lock.
type seat struct {
	of           *origin // nil: it is not counted any more
	among, ofAll *list.Element
}

func newAdmission(most int, proxies edge.Proxies) *admission {
	return &admission{proxies: proxies, left: most, origins: make(map[netip.Addr]*origin)}
}

// admit counts a new connection, which is idle. It returns false if there is no room.
func (a *admission) admit(c *connection) bool {
	from := addrOf(c.RemoteAddr())
	addr, proxy := access.Network(from), a.proxies.Trusts(from)
	a.mu.Lock()
	defer a.mu.Unlock()
	o := a.origins[addr]
	if o == nil {
		o = &origin{addr: addr}
	}
	if a.left == 0 || !proxy && o.held >= a.left {
		victim := o.idle.Front()
		if victim == nil {
			victim = a.longestIdle(proxy, o.held)
		}
		if victim == nil {
			return false
		}
		evicted := connectionOf(victim)
		a.remove(evicted)
		evicted.evict()
	}
	a.origins[addr] = o
	o.held++
	a.left--
	c.seat.of = o
	a.enlist(c)
	return true
}

// longestIdle returns the connection that is idle for longest among those whose addresses have more
// than held, or among all if it is for a proxy. Nil: there is none.
func (a *admission) longestIdle(proxy bool, held int) *list.Element {
	e := a.idle.Front()
	for e != nil && !proxy && connectionOf(e).seat.of.held <= held {
		e = e.Next()
	}
	return e
}

// connectionOf is the connection in a list of idle ones, in which nothing else is.
func connectionOf(e *list.Element) *connection {
	c, _ := e.Value.(*connection)
	return c
}

// rest notes that the connection is idle.
func (a *admission) rest(c *connection) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c.seat.of != nil && c.seat.ofAll == nil {
		a.enlist(c)
	}
}

// work notes that the connection has a request. It returns false if the connection was evicted when
// the request came.
func (a *admission) work(c *connection) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.delist(c)
	return c.seat.of != nil
}

// leave counts the connection no more.
func (a *admission) leave(c *connection) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.remove(c)
}

// held is how many connections are counted.
func (a *admission) held() (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, o := range a.origins {
		n += o.held
	}
	return n
}

func (a *admission) remove(c *connection) {
	a.delist(c)
	o := c.seat.of
	if o == nil {
		return
	}
	c.seat.of = nil
	a.left++
	if o.held--; o.held == 0 {
		delete(a.origins, o.addr)
	}
}

func (a *admission) enlist(c *connection) {
	c.seat.among, c.seat.ofAll = c.seat.of.idle.PushBack(c), a.idle.PushBack(c)
}

func (a *admission) delist(c *connection) {
	if c.seat.ofAll == nil {
		return
	}
	c.seat.of.idle.Remove(c.seat.among)
	a.idle.Remove(c.seat.ofAll)
	c.seat.among, c.seat.ofAll = nil, nil
}
