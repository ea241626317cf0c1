package worker_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/pkg/messages"
)

// TestOverloaded: past the bound of its queue the worker refuses at once, and what it
// has taken is answered all the same.
func TestOverloaded(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	fake := &fakeStore{gate: make(chan struct{})}
	c := config
	c.ReadLanes, c.QueueSize = 1, 3
	start(t, nc, fake, c)

	replies := make(chan messages.Reply, 10)
	sub, err := nc.Subscribe("replies", func(m *nats.Msg) {
		r, err := messages.DecodeReply(m.Data, 1)
		if err != nil {
			t.Error(err)
		}
		replies <- r
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	data := encode(t, read("ann"))
	for range 10 {
		if err := nc.PublishRequest(messages.ReadSubject, "replies", data); err != nil {
			t.Fatal(err)
		}
	}
	refused := 0
	// up to three are under way, if they came before the first had left, and three wait
	for range 4 {
		r := <-replies
		if r.Kind != messages.KindOverloaded {
			t.Fatalf("before the store answers: %+v", r)
		}
		refused++
	}
	close(fake.gate)
	for range 6 {
		if r := <-replies; r.Kind == messages.KindOverloaded {
			refused++
		}
	}
	if refused > 7 {
		t.Errorf("%d of 10 were refused; a queue of 3 had room for more", refused)
	}
}

// TestDrain: a worker that is stopped answers what it has taken, whoever comes after goes
// elsewhere, and then it's gone from the service discovery.
func TestDrain(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	fake := &fakeStore{gate: make(chan struct{})}
	w, stop := start(t, nc, fake, config)

	const asked = 20
	answers := make(chan error, asked)
	data := encode(t, read("ann"))
	for range asked {
		go func() {
			_, err := nc.Request(messages.ReadSubject, data, 10*time.Second)
			answers <- err
		}()
	}
	eventually(t, "all requests are taken", func() bool {
		s := stats(t, nc)
		return len(s) > 0 && s[0].inFlight == asked
	})

	stopped := make(chan struct{})
	go func() {
		stop()
		close(stopped)
	}()
	eventually(t, "the worker has left the queue group", func() bool {
		_, err := nc.Request(messages.WriteSubject, data, time.Second)
		return errors.Is(err, nats.ErrNoResponders)
	})
	if err := w.Ready(t.Context()); err == nil {
		t.Error("a stopping worker says that it is ready")
	}
	close(fake.gate)
	for range asked {
		if err := <-answers; err != nil {
			t.Errorf("a request that was taken: %v", err)
		}
	}
	<-stopped
	if left := stats(t, nc); len(left) != 0 {
		t.Errorf("still discovered: %+v", left)
	}
}
