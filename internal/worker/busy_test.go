package worker_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/outset-settings/outset/internal/localpg/pgtest"
	"github.com/outset-settings/outset/internal/worker"
	"github.com/outset-settings/outset/pkg/store"
)

// TestBusyDatabase: a database that has no connection left is out of reach only if it hasn't
// answered on any other for a while.
func TestBusyDatabase(t *testing.T) {
	t.Parallel()
	s, url := openAt(t)
	nc := connect(t)
	w, err := worker.New(nc, nc, s, config, "1.2.3", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if w.LosesDatabase(t.Context(), 0) {
		t.Fatal("lost while it answers")
	}
	pgtest.Exhaust(t, url, true)
	eventually(t, "there is no connection left", func() bool {
		return store.Busy(s.Ping(t.Context()))
	})
	if w.LosesDatabase(t.Context(), 0) {
		t.Error("lost at the first refusal")
	}
	if !w.LosesDatabase(t.Context(), time.Hour) {
		t.Error("not lost after a long time")
	}
}

// TestUnreachableDatabase: a database that lets nobody in is lost at once.
func TestUnreachableDatabase(t *testing.T) {
	t.Parallel()
	s, url := openAt(t)
	nc := connect(t)
	w, err := worker.New(nc, nc, s, config, "1.2.3", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	pgtest.KeepOut(t, url, true)
	eventually(t, "it is lost", func() bool {
		return w.LosesDatabase(t.Context(), 0)
	})
}
