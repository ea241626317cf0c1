package worker_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outset-settings/outset/internal/testlog"
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
	fake := &fakeStore{prune: func(ctx context.Context, keep store.Retention) (int64, time.Duration,
		error,
	) {
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
		if got, want := <-steps, (step{
			store.Retention{Versions: 3, Age: 48 * time.Hour},
			true,
		}); got != want {
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
	_, stop := startLogging(t, nc, fake, config, slog.New(slog.NewTextHandler(&log, nil)))
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

// TestPruneFails: a history that isn't pruned is told once and hurts nobody.
func TestPruneFails(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	var steps atomic.Int32
	fake := &fakeStore{prune: func(context.Context, store.Retention) (int64, time.Duration, error) {
		steps.Add(1)
		return 0, 0, errors.New("relation settings_log is on holiday")
	}}
	var log testlog.Buffer
	_, stop := startLogging(t, nc, fake, config, slog.New(slog.NewTextHandler(&log, nil)))
	eventually(t, "the failure is logged", func() bool {
		return strings.Contains(log.String(), "on holiday")
	})
	if r := do(t, nc, replace("ann", "1", `{}`)); r.Kind != "" {
		t.Errorf("%+v", r)
	}
	before := time.Now()
	stop()
	if took := time.Since(before); took > config.DrainTimeout/2 {
		t.Errorf("it paused, and stopping took %v", took)
	}
	if n := steps.Load(); n != 1 {
		t.Errorf("%d attempts without a pause", n)
	}
}
