package worker_test

import (
	"errors"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/internal/worker"
	"github.com/outset-settings/outset/pkg/messages"
)

// TestOverloaded: past the bound of its queue the worker refuses at once, and what it
// has taken is answered all the same.
func TestOverloaded(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	fake := &fakeStore{gate: make(chan struct{})}
	const sent, queue = 20, 3
	start(t, nc, fake, config, func(w *worker.Worker) { w.SetMaxQueue(2 * queue) })

	replies := make(chan messages.Kind, sent)
	sub, err := nc.Subscribe("replies", func(m *nats.Msg) {
		r, err := messages.DecodeReply(m.Data, 1)
		if err != nil {
			t.Error(err)
		}
		if !r.Working {
			replies <- r.Results[0].Kind
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	data := encode(t, read("ann"))
	for range sent {
		if err := nc.PublishRequest(messages.ReadSubject, "replies", data); err != nil {
			t.Fatal(err)
		}
	}
	refused := 0
	// Each lane has a batch of at most as many as could wait, and as many still wait.
	const least = sent - (worker.Lanes+1)*queue
	for range least {
		if kind := <-replies; kind != messages.KindOverloaded {
			t.Errorf("before the store answers: %q", kind)
		}
		refused++
	}
	close(fake.gate)
	for range sent - least {
		if kind := <-replies; kind == messages.KindOverloaded {
			refused++
		}
	}
	if most := sent - queue; refused > most {
		t.Errorf("%d of %d were refused, want at most %d with a queue of %d", refused, sent, most,
			queue)
	}
	t.Logf("%d of %d were refused with a queue of %d", refused, sent, queue)
}

// TestDrain: a worker that is stopped answers what it has taken, gets no further requests, and then
// is gone from the service discovery.
func TestDrain(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	fake := &fakeStore{gate: make(chan struct{})}
	w, stop := start(t, nc, fake, config)

	const requests = 20
	answers := make(chan error, requests)
	data := encode(t, read("ann"))
	for range requests {
		go func() {
			_, err := nc.Request(messages.ReadSubject, data, deadline)
			answers <- err
		}()
	}
	eventually(t, "all requests are taken", func() bool {
		s := stats(t, nc)
		return len(s) > 0 && s[0].inFlight == requests && s[0].stopping == ""
	})

	stopped := make(chan struct{})
	go func() {
		stop()
		close(stopped)
	}()
	eventually(t, "the worker has left the queue group", func() bool {
		_, err := nc.Request(messages.WriteSubject, data, deadline)
		return errors.Is(err, nats.ErrNoResponders)
	})
	if err := w.Ready(t.Context()); err == nil {
		t.Error("a stopping worker says that it is ready")
	}
	if s := stats(t, nc); len(s) == 0 || s[0].stopping != "true" {
		t.Errorf("a stopping worker tells %+v", s)
	}
	close(fake.gate)
	for range requests {
		if err := <-answers; err != nil {
			t.Errorf("a request that was taken: %v", err)
		}
	}
	<-stopped
	if left := stats(t, nc); len(left) != 0 {
		t.Errorf("still discovered: %+v", left)
	}
}
