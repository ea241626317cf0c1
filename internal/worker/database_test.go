package worker_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outset-settings/outset/internal/worker"
)

// silentStore is a store whose database stops answering.
type silentStore struct {
	fakeStore
	silent   atomic.Bool
	followed atomic.Int32
}

func (s *silentStore) Ping(ctx context.Context) error {
	if !s.silent.Load() {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

func (s *silentStore) FollowPrimary(context.Context) { s.followed.Add(1) }

// TestLooksForThePrimary: each time the database doesn't answer, the worker looks whether another
// server has taken over.
func TestLooksForThePrimary(t *testing.T) {
	t.Parallel()
	s := &silentStore{}
	start(t, connect(t), s, config)
	s.silent.Store(true)
	eventually(t, "it has looked for the primary", func() bool { return s.followed.Load() > 1 })
}

// TestSilenceIsCountedWhileWeRun: a database that doesn't answer is lost after so many moments in
// which the worker itself ran, however long they are apart.
func TestSilenceIsCountedWhileWeRun(t *testing.T) {
	t.Parallel()
	s := &silentStore{}
	s.silent.Store(true)
	nc := connect(t)
	w, err := worker.New(nc, nc, s, config, "1.2.3", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	steps := make(chan time.Time)
	w.SetAfter(func(time.Duration) <-chan time.Time { return steps })
	for _, c := range []struct {
		silent time.Duration
		lost   bool
	}{{0, false}, {time.Hour, true}} {
		lost := make(chan bool, 1)
		go func() { lost <- w.LosesDatabase(t.Context(), c.silent) }()
		for step := range worker.CheckSteps {
			select {
			case steps <- time.Time{}:
			case <-lost:
				t.Fatalf("the check was over after %d of %d steps", step, worker.CheckSteps)
			}
		}
		if got := <-lost; got != c.lost {
			t.Errorf("silent for %v: lost is %t", c.silent, got)
		}
	}
}
