package store_test

import (
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// wire is a proxy between a store and its database that can break connections at a chosen point.
type wire struct {
	network, address string // of the database

	mu        sync.Mutex
	onRequest func() // not nil: lose the next request, call this, and break the connection
	loseNext  bool   // lose an answer and break the connection
	passFirst int    // after so many more

	clients []net.Conn

	gone    atomic.Bool // nothing passes any more, and nobody is told
	serving atomic.Int32
}

// end is one end of a wire.
type end struct {
	net.Conn
	wire *wire
}

func (e end) Write(b []byte) (int, error) {
	if e.wire.gone.Load() {
		return len(b), nil
	}
	return e.Conn.Write(b)
}

// onWire returns a wire to the database at the address, and its own address.
func onWire(t *testing.T, address string) (*wire, string) {
	t.Helper()
	config, err := pgx.ParseConfig(address)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{}
	w.network, w.address = pgconn.NetworkAddress(config.Host, config.Port)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { w.serve(t, client) })
		}
	})
	t.Cleanup(func() { _ = listener.Close(); serving.Wait() })
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(config.User, config.Password),
		Host: listener.Addr().String(), Path: config.Database, RawQuery: "sslmode=disable",
	}
	return w, u.String()
}

// loseRequest makes the wire lose the next request. Called from Write.Change, that is the pipeline
// that commits, as it is for loseAnswer.
func (w *wire) loseRequest(then func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.onRequest = then
}

// loseAnswer makes the wire lose the next answer.
func (w *wire) loseAnswer() { w.loseAnswerAfter(0) }

// loseAnswerAfter makes the wire lose an answer after it has passed on so many.
func (w *wire) loseAnswerAfter(passed int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.loseNext, w.passFirst = true, passed
}

// cut closes all current connections on the store's side only: the database goes on with what it is
// doing.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.clients {
		_ = c.Close()
	}
	w.clients = nil
}

func (w *wire) serve(t *testing.T, client net.Conn) {
	defer client.Close()
	w.serving.Add(1)
	defer w.serving.Add(-1)
	w.mu.Lock()
	w.clients = append(w.clients, client)
	w.mu.Unlock()
	server, err := net.Dial(w.network, w.address)
	if err != nil {
		t.Error(err)
		return
	}
	defer server.Close()
	var losing sync.Mutex // the client's connection ends only after onRequest has returned
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			losing.Lock()
			defer losing.Unlock()
			_ = client.Close()
		}()
		carry(end{client, w}, server, func() bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			if !w.loseNext {
				return false
			}
			w.passFirst--
			w.loseNext = w.passFirst >= 0
			return !w.loseNext
		})
	}()
	carry(end{server, w}, client, func() bool {
		w.mu.Lock()
		then := w.onRequest
		w.onRequest = nil
		w.mu.Unlock()
		if then == nil {
			return false
		}
		losing.Lock()
		defer losing.Unlock()
		_ = server.Close()
		then()
		return true
	})
	_ = server.Close()
	<-done
}

// carry copies until one side closes, or until lose says that what was read is to be lost.
func carry(to io.Writer, from io.Reader, lose func() bool) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if lose() {
				return
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
