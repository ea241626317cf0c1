package worker_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outset-settings/outset/internal/testlog"
	"github.com/outset-settings/outset/internal/worker"
	"github.com/outset-settings/outset/pkg/messages"
	"github.com/outset-settings/outset/pkg/store"
)

// TestPrune: step after step, each with a deadline and with what the configuration keeps.
func TestPrune(t *testing.T) {
	t.Parallel()
	type step struct {
		keep    store.Retention
		bounded bool
	}
	steps := make(chan step)
	fake := &fakeStore{prune: func(
		ctx context.Context, keep store.Retention,
	) (int64, time.Duration, error) {
		_, bounded := ctx.Deadline()
		select {
		case steps <- step{keep, bounded}:
		case <-ctx.Done():
		}
		return 7, 0, nil
	}}
	c := config
	c.HistoryVersions, c.HistoryAge = 3, 48*time.Hour
	start(t, connect(t), fake, c)
	for range 3 {
		want := step{store.Retention{Versions: 3, Age: 48 * time.Hour}, true}
		if got := <-steps; got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

// TestPruneStops: a step under way ends when the worker is told to stop, not when its last
// answer has left.
func TestPruneStops(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	fake := &fakeStore{gate: make(chan struct{})}
	begun, ended := make(chan struct{}), make(chan struct{})
	fake.prune = func(ctx context.Context, _ store.Retention) (int64, time.Duration, error) {
		close(begun)
		<-ctx.Done()
		close(ended)
		return 0, 0, ctx.Err()
	}
	var log testlog.Buffer
	_, stop := startLogging(t, nc, fake, config, log.Logger())
	<-begun
	answered := make(chan messages.Reply)
	go func() { answered <- ask(t, nc, messages.ReadSubject, read("ann")) }()
	eventually(t, "the request is taken", func() bool { return stats(t, nc)[0].inFlight == 1 })

	stopped := make(chan struct{})
	go func() {
		stop()
		close(stopped)
	}()
	<-ended
	select {
	case <-stopped:
		t.Error("stopped before the answer")
	default:
	}
	close(fake.gate)
	<-answered
	<-stopped
	if strings.Contains(log.String(), "not pruned") {
		t.Errorf("to be stopped is no failure: %s", &log)
	}
}

// TestPruneFails: a failure is logged once, retried after a pause and hurts nobody.
func TestPruneFails(t *testing.T) {
	t.Parallel()
	var log testlog.Buffer
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute-time.Second)
		defer cancel()
		steps := 0
		fake := &fakeStore{prune: func(context.Context, store.Retention) (int64, time.Duration, error) {
			steps++
			return 0, 0, errors.New("relation settings_log is on holiday")
		}}
		worker.PruneUntil(ctx, fake, config, log.Logger())
		if steps != 4 {
			t.Errorf("%d attempts in a minute, want one every 15 seconds", steps)
		}
	})
	if n := strings.Count(log.String(), "on holiday"); n != 1 {
		t.Errorf("logged %d times: %s", n, &log)
	}
}

// TestPrunePauseEnds: a worker that is stopped between two steps doesn't wait for the next.
func TestPrunePauseEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		worker.PruneUntil(ctx, &fakeStore{}, config, slog.New(slog.DiscardHandler))
		if took := time.Since(began); took != time.Minute { // of the bubble's clock
			t.Errorf("stopped after a minute, it ended after %v", took)
		}
	})
}
