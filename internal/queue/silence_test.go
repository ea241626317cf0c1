package queue

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	natstest "github.com/nats-io/nats-server/v2/test"
	"github.com/nats-io/nats.go"
)

// connect starts a NATS server, and returns a connection of ours and one of a worker's, which takes
// requests.
func connect(t *testing.T, receive func(worker *nats.Conn, m *nats.Msg)) (ours *nats.Conn) {
	t.Helper()
	options := natstest.DefaultTestOptions
	options.Port = -1
	server := natstest.RunServer(&options)
	t.Cleanup(server.WaitForShutdown)
	t.Cleanup(server.Shutdown)
	dial := func() *nats.Conn {
		nc, err := nats.Connect(server.ClientURL(), nats.Timeout(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		return nc
	}
	worker := dial()
	_, err := worker.Subscribe("work", func(m *nats.Msg) { receive(worker, m) })
	if err = errors.Join(err, worker.Flush()); err != nil {
		t.Fatal(err)
	}
	return dial()
}

// work is a request that ends with its first reply.
func work(patience func() (silence, left time.Duration)) exchange {
	return exchange{
		subject: "work", patience: patience,
		receive: func(*nats.Msg) (counts, last bool) { return true, true },
	}
}

// TestReplyOnItsWay: a reply that NATS has sent by the time that patience ends is no silence, be it
// in this process or on its way.
func TestReplyOnItsWay(t *testing.T) {
	t.Parallel()
	replied := make(chan error)
	nc := connect(t, func(worker *nats.Conn, m *nats.Msg) {
		replied <- errors.Join(m.Respond([]byte("x")), worker.Flush())
	})
	r := &requester{nc: nc}
	for range 50 { // so that what is left to chance fails
		first := true
		if err := r.request(t.Context(), work(func() (silence, left time.Duration) {
			if first {
				first = false
				if err := <-replied; err != nil {
					t.Error(err)
				}
			}
			return 0, time.Minute
		})); err != nil {
			t.Fatal(err)
		}
	}
}

// TestStoppedNATS: a worker that is heard only once NATS has answered isn't silent, however long that
// takes.
func TestStoppedNATS(t *testing.T) {
	t.Parallel()
	reply := make(chan struct{})
	nc := connect(t, func(_ *nats.Conn, m *nats.Msg) {
		<-reply
		_ = m.Respond([]byte("x"))
	})
	r, asked := &requester{nc: nc}, 0
	if err := r.request(t.Context(), work(func() (silence, left time.Duration) {
		switch asked++; asked {
		case 1: // the request was sent
			return 0, time.Hour
		case 3: // NATS has answered
			close(reply)
		}
		return time.Minute, time.Hour
	})); err != nil {
		t.Error(err)
	}
}

// TestSilence: a worker is silent where NATS has answered twice, or when there is no time left.
func TestSilence(t *testing.T) {
	t.Parallel()
	nc := connect(t, func(*nats.Conn, *nats.Msg) {})
	for _, left := range []time.Duration{time.Minute, 0} {
		r := &requester{nc: nc}
		err := r.request(t.Context(), work(func() (silence, _ time.Duration) { return 0, left }))
		if !errors.Is(err, nats.ErrTimeout) {
			t.Errorf("with %v left: %v", left, err)
		}
	}
}

// TestGraceForTheDatabase: requests wait for a database from the time when a worker says that it
// has lost it, and not for as long as it says so.
func TestGraceForTheDatabase(t *testing.T) {
	t.Parallel()
	w := newWorkers(nil, time.Hour, slog.New(slog.DiscardHandler))
	longAgo := func() { w.last = time.Now().Add(-2 * time.Hour) }
	w.begin()
	w.counted("a", member{lost: true})
	if w.comingBack() {
		t.Error("a worker that never reached its database is waited for")
	}
	w.counted("a", member{})
	longAgo()
	w.counted("a", member{lost: true})
	if !w.comingBack() {
		t.Error("a worker that has just lost its database isn't waited for")
	}
	longAgo()
	w.counted("a", member{lost: true})
	if w.comingBack() {
		t.Error("a worker without a database is waited for all the time")
	}
}
