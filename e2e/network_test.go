package e2e

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/outset-settings/outset/internal/localpg/pgtest"
)

// wireToPostgres puts a wire between the workers and Postgres.
func (s *system) wireToPostgres() *wire {
	s.t.Helper()
	config, err := pgx.ParseConfig(s.workers)
	s.do(err)
	network, address := pgconn.NetworkAddress(config.Host, config.Port)
	w := newWire(s.t, network, address)
	u, err := url.Parse(s.workers)
	s.do(err)
	u.Host, u.RawQuery = w.addr, "sslmode=disable"
	s.workers = u.String()
	return w
}

// TestSlowWay: with a round trip of 0.1 s to Postgres no request fails. With one of 0.8 s those that
// take several, on a connection that has to be made first, take seconds and may be refused; nothing
// is lost.
func TestSlowWay(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	s := newSystem(ctx, t)
	w := s.wireToPostgres()
	s.newWorker()
	s.newWorker()
	l := startLoad(t, s.newAPI(), "undisturbed")
	s.do(l.settle(ctx, 300))
	l.phase("100ms more")
	w.delay(50 * time.Millisecond)
	s.do(l.settle(ctx, short(200, 600)))
	l.outagePhase("800ms more")
	w.delay(400 * time.Millisecond)
	s.do(l.settle(ctx, 200))
	w.delay(0)
	l.outagePhase("recovering")
	s.do(l.recovers(ctx))
	l.phase("undisturbed again")
	s.do(l.settle(ctx, 300))
	l.finish()
	if err := l.report(t); err != nil {
		t.Error(err)
	}
	s.verify(l)
}

// TestFrozenPostgres: while Postgres is frozen requests are refused or doubtful. Nothing is lost or
// applied twice, and afterwards no request fails.
func TestFrozenPostgres(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	s := newSystem(ctx, t)
	w := s.wireToPostgres()
	s.newWorker()
	s.newWorker()
	_, base := s.api(s.bin, "REQUEST_TIMEOUT=5s")
	s.isFrozen(base, w.freeze, w.thaw)
}

// TestFrozenNATS: the same while the way to NATS is frozen.
func TestFrozenNATS(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	s := newSystem(ctx, t)
	s.newWorker()
	s.newWorker()
	w := newWire(t, "tcp", strings.TrimPrefix(s.queue, "nats://"))
	_, base := s.api(s.bin, "REQUEST_TIMEOUT=5s", "NATS_URL=nats://"+w.addr)
	s.isFrozen(base, w.freeze, w.thaw)
}

// TestNoConnectionLeft: the same while Postgres has no connection to give.
func TestNoConnectionLeft(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	s := newSystem(ctx, t)
	s.newWorker()
	s.newWorker()
	_, base := s.api(s.bin, "REQUEST_TIMEOUT=5s")
	s.isFrozen(base, func() { pgtest.Exhaust(t, s.database, true) },
		func() { pgtest.Exhaust(t, s.database, false) })
}

// TestFrozenNATSServer: an API whose server of a cluster is frozen goes to another by itself, and no
// request fails from then on.
func TestFrozenNATSServer(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	s := newSystem(ctx, t)
	c := startNATSCluster(t, 2)
	s.queue, s.keys = c.servers[1].ClientURL(), ""
	s.newWorker()
	w := newWire(t, "tcp", c.servers[0].Addr().String())
	// The server tells of the others in its cluster.
	_, base := s.api(s.bin, "REQUEST_TIMEOUT=5s", "NATS_URL=nats://"+w.addr)
	l := startLoad(t, base, "undisturbed")
	s.do(l.settle(ctx, 300))
	l.outagePhase("frozen")
	w.freeze()
	s.do(l.recovers(ctx))
	l.phase("at another server")
	s.do(l.settle(ctx, 300))
	w.thaw()
	l.finish()
	if err := l.report(t); err != nil {
		t.Error(err)
	}
	s.verify(l)
}

// isFrozen freezes a part under load until requests fail, thaws it, and waits until none does.
func (s *system) isFrozen(base string, freeze, thaw func()) {
	s.t.Helper()
	l := startLoad(s.t, base, "undisturbed")
	s.do(l.settle(s.ctx, 300))
	l.outagePhase("frozen")
	freeze()
	s.do(l.settle(s.ctx, 2*clients))
	thaw()
	l.outagePhase("thawing")
	s.do(l.recovers(s.ctx))
	l.phase("thawn")
	s.do(l.settle(s.ctx, 300))
	l.finish()
	if err := l.report(s.t); err != nil {
		s.t.Error(err)
	}
	if l.phases[1].lost == 0 {
		s.t.Error("nothing failed while it was frozen")
	}
	s.verify(l)
}
