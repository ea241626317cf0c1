package e2e

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"
)

// wire is a way to a server on which bytes can be late, or stop for a while. None gets lost: it is
// a network with a long way, and a server that is frozen.
type wire struct {
	addr            string
	network, server string // where it leads

	mu    sync.Mutex
	late  time.Duration // each way
	thawn chan struct{} // closed: bytes pass
}

// newWire listens, and connects each client with the server at this address, until the test ends.
func newWire(t *testing.T, network, server string) *wire {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{
		addr: listener.Addr().String(), network: network, server: server, thawn: make(chan struct{}),
	}
	close(w.thawn)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return // the test is over
			}
			running.Go(func() { w.serve(ctx, client) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		w.thaw()
		cancel()
		running.Wait()
	})
	return w
}

// delay makes all bytes late from now on.
func (w *wire) delay(late time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.late = late
}

func (w *wire) freeze() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.thawn = make(chan struct{})
}

func (w *wire) thaw() {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.thawn:
	default:
		close(w.thawn)
	}
}

func (w *wire) state() (late time.Duration, thawn <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.late, w.thawn
}

// serve carries bytes to and fro until either side closes.
func (w *wire) serve(ctx context.Context, client net.Conn) {
	defer client.Close()
	server, err := new(net.Dialer).DialContext(ctx, w.network, w.server)
	if err != nil {
		return
	}
	defer server.Close()
	stop := context.AfterFunc(ctx, func() {
		_ = client.Close()
		_ = server.Close()
	})
	defer stop()
	var running sync.WaitGroup
	running.Go(func() { w.carry(server, client) })
	running.Go(func() { w.carry(client, server) })
	running.Wait()
}

// piece is what was read at once, and when.
type piece struct {
	bytes []byte
	at    time.Time
}

// carry copies bytes until the connection that it reads from ends, and then closes the other.
func (w *wire) carry(to, from net.Conn) {
	under := make(chan piece, 1024) // way
	go func() {
		defer close(under)
		for {
			buffer := make([]byte, 32<<10)
			n, err := from.Read(buffer)
			if n > 0 {
				under <- piece{buffer[:n], time.Now()}
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range under {
		late, thawn := w.state()
		<-thawn
		time.Sleep(time.Until(p.at.Add(late)))
		_, _ = to.Write(p.bytes) // fails if it was closed; the rest is read all the same
	}
	_ = to.Close()
}
