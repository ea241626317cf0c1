package store

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// The address may name several hosts, of which one is the primary. pgx asks one after the other for
// each connection, so a host that doesn't answer costs each the time that connecting may take. Here
// all are asked at once, except that the last primary has a head start: one that was frozen, and
// comes back without knowing that another has taken over, isn't asked again.
const (
	headStart = 100 * time.Millisecond
	askAgain  = 200 * time.Millisecond // a standby may be promoted meanwhile
)

// primary finds the primary of several hosts, and knows which connections lead where.
type primary struct {
	hosts []*pgconn.Config // of the address, each by itself

	mu   sync.Mutex // guards the rest
	last *pgconn.Config
	open map[*pgx.Conn]bool // the connections of the pool
}

func newPrimary(c *pgconn.Config) *primary {
	p := &primary{open: make(map[*pgx.Conn]bool)}
	all := append([]*pgconn.FallbackConfig{{
		Host: c.Host, Port: c.Port, TLSConfig: c.TLSConfig,
	}}, c.Fallbacks...)
	for _, f := range all {
		if n := len(p.hosts); n > 0 && p.hosts[n-1].Host == f.Host && p.hosts[n-1].Port == f.Port {
			p.hosts[n-1].Fallbacks = append(p.hosts[n-1].Fallbacks, f) // with TLS and without
			continue
		}
		host := c.Copy()
		host.Host, host.Port, host.TLSConfig, host.Fallbacks = f.Host, f.Port, f.TLSConfig, nil
		p.hosts = append(p.hosts, host)
	}
	return p
}

// choose makes a new connection lead to the primary.
func (p *primary) choose(ctx context.Context, c *pgx.ConnConfig) error {
	if len(p.hosts) < 2 {
		return nil
	}
	h, err := p.find(ctx)
	if err == nil {
		c.Host, c.Port, c.TLSConfig, c.Fallbacks = h.Host, h.Port, h.TLSConfig, h.Fallbacks
	}
	return err
}

// answer is what a host has said when it was asked whether it is the primary.
type answer struct {
	host *pgconn.Config
	err  error // nil: it is
}

// find returns the host that is the primary. It fails once all have refused, or have not answered
// within timeouts.connect.
func (p *primary) find(ctx context.Context) (*pgconn.Config, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p.mu.Lock()
	last := p.last
	p.mu.Unlock()
	answers, others := make(chan answer), make(chan struct{})
	start := sync.OnceFunc(func() { close(others) })
	if last == nil {
		start()
	}
	for _, h := range p.hosts {
		go func() {
			if h != last {
				select {
				case <-others:
				case <-time.After(headStart):
				}
			}
			ask(ctx, h, answers)
		}()
	}
	refused := make(map[*pgconn.Config]error)
	for len(refused) < len(p.hosts) {
		select {
		case a := <-answers:
			if a.err == nil {
				p.mu.Lock()
				p.last = a.host
				p.mu.Unlock()
				return a.host, nil
			}
			refused[a.host] = a.err
			start()
		case <-ctx.Done():
			return nil, errors.Join(append(slices.Collect(maps.Values(refused)), ctx.Err())...)
		}
	}
	return nil, errors.Join(slices.Collect(maps.Values(refused))...)
}

// ask asks a host whether it is the primary until it is, or ctx ends.
func ask(ctx context.Context, host *pgconn.Config, answers chan<- answer) {
	for ctx.Err() == nil {
		conn, err := pgconn.ConnectConfig(ctx, host)
		select {
		case answers <- answer{host, err}:
		case <-ctx.Done():
		}
		if err == nil {
			closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), headStart)
			_ = conn.Close(closing)
			cancel()
			return
		}
		select {
		case <-time.After(askAgain):
		case <-ctx.Done():
		}
	}
}

// FollowPrimary is for a caller to whom the database doesn't answer. If another host of the address
// is the primary by now, whatever waits for an answer of the old one fails at once and may be
// retried, and no connection to that is used again.
func (s *Store) FollowPrimary(ctx context.Context) {
	if len(s.primary.hosts) < 2 {
		return
	}
	h, err := s.primary.find(ctx)
	if err != nil {
		return
	}
	s.primary.mu.Lock()
	defer s.primary.mu.Unlock()
	reset := false
	for conn := range s.primary.open {
		if c := conn.Config(); c.Host == h.Host && c.Port == h.Port {
			continue
		}
		if !reset {
			s.renewals.Add(1)
			s.pool.Reset()
			reset = true
		}
		_ = conn.PgConn().Conn().SetDeadline(time.Now()) // for what is under way, too
	}
}

func (p *primary) opened(conn *pgx.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open[conn] = true
}

func (p *primary) closed(conn *pgx.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, conn)
}

// with calls do with a connection of the pool.
func (s *Store) with(ctx context.Context, do func(*pgxpool.Conn) error) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer s.release(conn)
	return do(conn)
}

// release gives a connection back to the pool. One that is being closed leaves it at once: pgx
// first asks the server to cancel what it does, for up to 15 s if that doesn't answer, and would
// keep the place of a new connection for so long.
func (s *Store) release(conn *pgxpool.Conn) {
	if !conn.Conn().IsClosed() {
		conn.Release()
		return
	}
	s.primary.closed(conn.Hijack())
}
