package worker_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/internal/worker"
)

// TestReadsGoOnWhileWritesWait: while all lanes of writes have a connection each and wait for
// Postgres, a read has one all the same.
func TestReadsGoOnWhileWritesWait(t *testing.T) {
	t.Parallel()
	_, direct := openAt(t)
	proxy := newHoldingProxy(t, direct, "held user")
	nc := connect(t)
	start(t, nc, openBy(t, proxy.url), config, func(w *worker.Worker) {
		w.SetStoreTimeout(deadline)
	})
	replies := make([]*nats.Subscription, worker.Lanes)
	for i := range replies { // one after the other, so that each has a lane of its own
		replies[i] = send(t, nc, replace(fmt.Sprint("held user ", i), "1", `{}`))
		eventually(t, fmt.Sprint(i+1, " writes are held"), func() bool {
			return proxy.held.Load() == int32(i+1)
		})
	}
	if r := do(t, nc, read("another")); r.Kind != "" {
		t.Errorf("the read: %q, %s", r.Kind, r.Detail)
	}
	proxy.release()
	for i, reply := range replies {
		if r := collect(t, reply, 1); r.Kind != "" || r.Results[0].Kind != "" {
			t.Errorf("write %d: %+v", i, r)
		}
	}
}

// holdingProxy stands between a store and Postgres. It holds back what has the mark in it, so that
// a batch waits for as long as a test wants: locks and statements have timeouts.
type holdingProxy struct {
	url      string
	held     atomic.Int32 // connections
	released chan struct{}
	once     sync.Once
}

func newHoldingProxy(t *testing.T, database, mark string) *holdingProxy {
	t.Helper()
	config, err := pgx.ParseConfig(database)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	at.Host = listener.Addr().String()
	at.RawQuery = "sslmode=disable"
	p := &holdingProxy{url: at.String(), released: make(chan struct{})}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return // the test is over
			}
			running.Go(func() { p.serve(t.Context(), client, &config.Config, []byte(mark)) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		p.release()
		running.Wait()
	})
	return p
}

// release lets pass what was held, and what comes from now on.
func (p *holdingProxy) release() { p.once.Do(func() { close(p.released) }) }

// serve copies bytes to and fro until either side closes.
func (p *holdingProxy) serve(ctx context.Context, client net.Conn, c *pgconn.Config, mark []byte) {
	defer client.Close()
	network, address := pgconn.NetworkAddress(c.Host, c.Port)
	server, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		defer client.Close()
		_, _ = io.Copy(client, server)
	}()
	buffer := make([]byte, 64<<10)
	for {
		n, err := client.Read(buffer)
		if bytes.Contains(buffer[:n], mark) {
			p.held.Add(1)
			<-p.released
		}
		if _, writeErr := server.Write(buffer[:n]); err != nil || writeErr != nil {
			return
		}
	}
}
