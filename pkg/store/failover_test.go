package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/outset-settings/outset/internal/localpg/pgtest"
	"github.com/outset-settings/outset/internal/testwait"
	"github.com/outset-settings/outset/pkg/store"
)

func parse(t *testing.T, address string) *pgx.ConnConfig {
	t.Helper()
	config, err := pgx.ParseConfig(address)
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// startPair starts a primary with the tables and its standby.
func startPair(t *testing.T) *pgtest.Pair {
	t.Helper()
	p := pgtest.StartPair(t)
	if err := store.Migrate(t.Context(), p.Primary()); err != nil {
		t.Fatal(err)
	}
	return p
}

func startServer(t *testing.T, dir string, settings map[string]string) (address string) {
	t.Helper()
	return pgtest.StartServer(t, dir, settings).URL()
}

// execute runs a statement on a connection of its own.
func execute(t *testing.T, address, statement string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if _, err := conn.Exec(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// writer counts up a document of its own, and repeats a write until it knows what became of it.
type writer struct {
	user         string
	acknowledged atomic.Int64
}

func (w *writer) run(t *testing.T, s *store.Store, stop <-chan struct{}) {
	for n := int64(1); ; n++ {
		one := replace(t, w.user, fmt.Sprintf("%s-%d", w.user, n), fmt.Sprintf(`{"n":%d}`, n))
		one.Keyed = true
		for {
			select {
			case <-stop:
				return
			default:
			}
			ctx, cancel := context.WithTimeout(context.Background(), store.Patient)
			got := s.Write(ctx, []store.Write{one})[0]
			cancel()
			if got.Err == nil && got.Version != n {
				t.Errorf("write %d of %s made version %d", n, w.user, got.Version)
				return
			}
			if got.Err == nil {
				break
			}
			if !errors.Is(got.Err, store.ErrUnavailable) &&
				!errors.Is(got.Err, store.ErrOutcomeUnknown) {
				t.Errorf("write %d of %s: %v", n, w.user, got.Err)
				return
			}
		}
		w.acknowledged.Store(n)
	}
}

// startWriters has writers write until the test ends, or until end is called. goOn waits until each
// has written so often again.
func startWriters(t *testing.T, s *store.Store) (
	writers []*writer, goOn func(what string, more int64), end func(),
) {
	t.Helper()
	writers = make([]*writer, 6)
	var load sync.WaitGroup
	stop := make(chan struct{})
	end = sync.OnceFunc(func() { close(stop); load.Wait() })
	t.Cleanup(end)
	for i := range writers {
		writers[i] = &writer{user: fmt.Sprint("user", i)}
		load.Go(func() { writers[i].run(t, s, stop) })
	}
	return writers, func(what string, more int64) {
		t.Helper()
		for _, w := range writers {
			least := w.acknowledged.Load() + more
			testwait.Until(t, store.Patient, w.user+" is written "+what, func() bool {
				return t.Failed() || w.acknowledged.Load() >= least
			})
		}
	}, end
}

// TestFailover: a synchronous standby takes over under load, and the old primary lives on,
// read-only, with the store's connections to it. No acknowledged write is lost, writes go on, and
// no read comes from the old primary.
func TestFailover(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it starts two servers")
	}
	p := startPair(t)
	s, err := store.OpenWith(t.Context(), p.Either(), store.Timeouts{Commit: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	writers, goOn, end := startWriters(t, s)
	goOn("before", 20)
	execute(t, p.Primary(), `alter system set default_transaction_read_only = on`)
	execute(t, p.Primary(), `select pg_reload_conf()`)
	execute(t, p.Standby(), `select pg_promote()`)
	promoted := time.Now()
	goOn("afterwards", 1)
	t.Logf("all were written %v after the promotion", time.Since(promoted))
	goOn("afterwards", 20)

	// What is read now is what the new primary has, whichever connection it comes from.
	for range 50 {
		for _, w := range writers {
			least := w.acknowledged.Load()
			found, err := s.Read(t.Context(), current(w.user))
			if err != nil || found[0].Version < least {
				t.Fatalf("%s has %+v, %v; version %d was acknowledged", w.user, found, err, least)
			}
		}
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	end()
	now := reopenAs(t, p.Standby())
	for _, w := range writers {
		found, err := now.Read(t.Context(), current(w.user))
		if n := w.acknowledged.Load(); err != nil || found[0].Version < n {
			t.Errorf("%s has %+v, %v; %d were acknowledged", w.user, found, err, n)
		}
	}
	checkLog(t, connect(t, p.Standby()))
}

// reopenAs opens a store as whoever the address names.
func reopenAs(t *testing.T, address string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), address, 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// TestReadOnlyConnections: a server that has become read-only, and is the only one, is unavailable
// for reads too, since another may be the primary by now. It serves again once it takes writes.
func TestReadOnlyConnections(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it starts a server")
	}
	address := startServer(t, pgtest.TempDir(t), nil)
	if err := store.Migrate(t.Context(), address); err != nil {
		t.Fatal(err)
	}
	s := reopenAs(t, address)
	write(t, s, replace(t, "ann", "1", `{"n":1}`))
	execute(t, address, `alter system set default_transaction_read_only = on`)
	execute(t, address, `select pg_reload_conf()`)
	// The reload reaches each session by itself, so the first reads may come before it.
	var took time.Duration
	reads := 0
	testwait.Until(t, store.Patient, "reads are refused", func() bool {
		asked := time.Now()
		_, err := s.Read(t.Context(), current("ann"))
		reads, took = reads+1, time.Since(asked)
		return errors.Is(err, store.ErrUnavailable)
	})
	t.Logf("read %d was the first that was refused, after %v", reads, took)
	if got := s.Write(t.Context(), []store.Write{replace(t, "ann", "2", `{}`)})[0]; !errors.Is(
		got.Err, store.ErrUnavailable) || errors.Is(got.Err, store.ErrOutcomeUnknown) {
		t.Errorf("a write: %v", got.Err)
	}
	if s.Ping(t.Context()) == nil {
		t.Error("it is ready")
	}
	execute(t, address, `alter system reset default_transaction_read_only`)
	execute(t, address, `select pg_reload_conf()`)
	reloaded := time.Now()
	testwait.Until(t, store.Patient, "it serves again", func() bool {
		_, err := s.Read(t.Context(), current("ann"))
		return err == nil && s.Ping(t.Context()) == nil
	})
	t.Logf("it serves again %v after it was told to take writes", time.Since(reloaded))
	write(t, s, replace(t, "ann", "3", `{"n":2}`))
	check(t, s, "ann", 2, `{"n":2}`)
}

// TestRepetitionAwaitsTheStandby: a write that the standby has not got is not acknowledged when it
// is repeated, although the primary has it in its log.
func TestRepetitionAwaitsTheStandby(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it starts a server")
	}
	address := startServer(t, pgtest.TempDir(t), pgtest.Replicated)
	if err := store.Migrate(t.Context(), address); err != nil {
		t.Fatal(err)
	}
	s, err := store.OpenWith(t.Context(), address, store.Timeouts{Commit: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	write(t, s, replace(t, "ann", "1", `{"n":1}`))
	execute(t, address, `alter system set synchronous_standby_names = 'absent'`)
	execute(t, address, `select pg_reload_conf()`)
	var last store.Write
	n := 1
	testwait.Until(t, store.Patient, "a write waits for the standby", func() bool {
		n++
		last = replace(t, "ann", fmt.Sprint(n), fmt.Sprintf(`{"n":%d}`, n))
		last.Keyed = true
		return errors.Is(s.Write(t.Context(), []store.Write{last})[0].Err, store.ErrOutcomeUnknown)
	})
	if found := read(t, s, current("ann")...)[0]; found.Version != int64(n) {
		t.Fatalf("the primary has version %d, want %d", found.Version, n)
	}
	if got := s.Write(t.Context(), []store.Write{last})[0]; !errors.Is(got.Err,
		store.ErrOutcomeUnknown) {
		t.Fatalf("a repetition without the standby: %+v", got)
	}
	execute(t, address, `alter system reset synchronous_standby_names`)
	execute(t, address, `select pg_reload_conf()`)
	testwait.Until(t, store.Patient, "the repetition is acknowledged", func() bool {
		return s.Write(t.Context(), []store.Write{last})[0].Err == nil
	})
	check(t, s, "ann", int64(n), fmt.Sprintf(`{"n":%d}`, n))
}
