package worker_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/internal/worker"
	"github.com/outset-settings/outset/pkg/messages"
	"github.com/outset-settings/outset/pkg/store"
)

// slowTokens is a store that makes no token before its gate is open.
type slowTokens struct {
	worker.Store
	gate  chan struct{}
	began atomic.Int32
	wrote atomic.Int32 // batches
}

func (s *slowTokens) WriteInParts(ctx context.Context, writes []store.Write,
	done func([]int, []store.Written),
) []store.Written {
	defer s.wrote.Add(1)
	return s.Store.WriteInParts(ctx, writes, done)
}

func (s *slowTokens) CreateToken(ctx context.Context, t store.Token, deadline time.Time,
) (store.Token, error) {
	s.began.Add(1)
	select {
	case <-s.gate:
		return s.Store.CreateToken(ctx, t, deadline)
	case <-ctx.Done():
		return store.Token{}, store.ErrOutcomeUnknown
	}
}

// patient lets a batch take as long as a test.
func patient(w *worker.Worker) { w.SetStoreTimeout(deadline) }

// result waits for the reply to one operation.
func result(t *testing.T, reply *nats.Subscription) messages.Result {
	t.Helper()
	return collect(t, reply, 1).Results[0]
}

// TestWritesDontWaitForTokens: writes are acknowledged while more operations about tokens wait than
// there are lanes. Those are done in their turn, also by a worker that is being stopped.
func TestWritesDontWaitForTokens(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	s := &slowTokens{Store: open(t), gate: make(chan struct{})}
	_, stop := start(t, nc, s, config, patient)
	var replies []*nats.Subscription
	for _, id := range []string{"a1", "b2", "c3", "d4", "e5"} {
		replies = append(replies, send(t, nc, create(id, nil)))
	}
	eventually(t, "the first waits in the store", func() bool { return s.began.Load() > 0 })
	for _, user := range []string{"ann", "bob"} {
		if r := do(t, nc, replace(user, "1", `{}`)); r.Kind != "" || r.Version != 1 {
			t.Errorf("the write: %s", show(r))
		}
	}
	if n := s.began.Load(); n != 1 {
		t.Errorf("%d operations about tokens are under way, want 1", n)
	}
	close(s.gate)
	stop()
	for i, reply := range replies {
		if r := result(t, reply); r.Kind != "" || len(r.Tokens) != 1 {
			t.Errorf("token %d: %s", i, show(r))
		}
	}
}

// TestTokensThatWaitTooLong: of a request whose turn doesn't come before the worker stops, the
// writes have their results.
func TestTokensThatWaitTooLong(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	s := &slowTokens{Store: open(t), gate: make(chan struct{})}
	short := config
	short.DrainTimeout = time.Millisecond
	w, err := worker.New(dial(t, nc.ConnectedUrl()), dial(t, nc.ConnectedUrl()), s, short, "1.2.3",
		slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	patient(w)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	eventually(t, "the worker is ready", func() bool { return w.Ready(t.Context()) == nil })
	first := send(t, nc, create("a1", nil))
	eventually(t, "it waits in the store", func() bool { return s.began.Load() == 1 })
	both := send(t, nc, replace("ann", "1", `{}`), create("b2", nil))
	eventually(t, "the write is done", func() bool { return s.wrote.Load() == 1 })
	cancel()
	if <-ended == nil {
		t.Error("Run reports that there was time for all")
	}
	if r := result(t, first); r.Kind != messages.KindOutcomeUnknown {
		t.Errorf("what was under way: %s", show(r))
	}
	r := collect(t, both, 2)
	if len(r.Results) != 2 || r.Results[0].Kind != "" || r.Results[0].Version != 1 ||
		r.Results[1].Kind != messages.KindUnavailable || s.began.Load() != 1 {
		t.Errorf("a write and a token: %+v", r)
	}
}

// TestTokensExpireInTheQueue: what nobody waits for any more when its turn comes is not done.
func TestTokensExpireInTheQueue(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	s := &slowTokens{Store: open(t), gate: make(chan struct{})}
	start(t, nc, s, config, patient)
	first := send(t, nc, create("a1", nil))
	eventually(t, "it waits in the store", func() bool { return s.began.Load() == 1 })
	until := time.Now().Add(500 * time.Millisecond)
	late := create("b2", nil)
	late.Deadline = until.UnixMilli()
	second := send(t, nc, late)
	eventually(t, "its deadline has passed", func() bool { return time.Now().After(until) })
	close(s.gate)
	if r := result(t, first); r.Kind != "" {
		t.Errorf("the one without a deadline: %s", show(r))
	}
	if r := result(t, second); r.Kind != messages.KindExpired {
		t.Errorf("the late one: %s", show(r))
	}
	if r := do(t, nc, listTokens); len(r.Tokens) != 1 || s.began.Load() != 1 {
		t.Errorf("%d asked of the store, and there are: %s", s.began.Load(), show(r))
	}
}
