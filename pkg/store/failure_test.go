package store_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outset-settings/outset/internal/settings"
	"github.com/outset-settings/outset/pkg/store"
)

// TestConnectionsCut: Postgres closes the connections again and again, between transactions and in
// the middle of them. No write is lost, none is applied twice.
func TestConnectionsCut(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	meddler := connect(t, url)
	done := make(chan struct{})
	var finished atomic.Int64
	const writes = 60
	go func() {
		defer close(done)
		for n := range writes {
			batch := []store.Write{
				replace(t, "ann", fmt.Sprint(n), fmt.Sprintf(`{"n":%d}`, n)),
				replace(t, fmt.Sprint("new", n), "1", `{}`),
			}
			for { // as the API does: the same ids again
				err := s.Write(t.Context(), batch)[0].Err
				if err == nil {
					finished.Add(1)
					break
				}
				if !errors.Is(err, store.ErrUnavailable) &&
					!errors.Is(err, store.ErrOutcomeUnknown) {
					t.Errorf("write %d: %v", n, err)
					return
				}
			}
		}
	}()
	// The pause between two cuts follows what the machine can do: some writes fit into it, others
	// are cut.
	pause, before := 4*time.Millisecond, int64(0)
	for cuts := 0; ; {
		select {
		case <-done:
			check(t, s, "ann", writes, fmt.Sprintf(`{"n":%d}`, writes-1))
			checkLog(t, meddler)
			t.Logf("connections were cut %d times", cuts)
			return
		default:
			exec(t, meddler, `select pg_sleep($1)`, pause.Seconds())
			var cut int
			err := meddler.QueryRow(t.Context(), `
				select count(pg_terminate_backend(pid))
				from pg_stat_activity
				where application_name = 'outset-worker' and datname = current_database()
				  and state <> 'idle'`).Scan(&cut)
			if err != nil {
				t.Fatal(err)
			}
			cuts += cut
			if n := finished.Load(); n > before {
				pause, before = max(pause/2, time.Millisecond), n
			} else if cut > 0 {
				pause *= 2
			}
		}
	}
}

// TestUnavailable: without a database no write is applied, and its outcome is known.
func TestUnavailable(t *testing.T) {
	t.Parallel()
	s, err := store.Open(t.Context(), "postgres://nobody@127.0.0.1:1/none", 2)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	w := s.Write(t.Context(), []store.Write{replace(t, "ann", "1", `{}`)})
	if !errors.Is(w[0].Err, store.ErrUnavailable) || errors.Is(w[0].Err, store.ErrOutcomeUnknown) {
		t.Errorf("Write: %v", w[0].Err)
	}
	if _, err := s.Read(t.Context(), current("ann")); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Read: %v", err)
	}
	if err := s.Ping(t.Context()); err == nil {
		t.Error("Ping succeeded")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	err = store.MigrateWhenReachable(ctx, "postgres://nobody@127.0.0.1:1/none",
		slog.New(slog.DiscardHandler))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("MigrateWhenReachable: %v, want it to retry until the deadline", err)
	}
	if _, err := store.Open(t.Context(), "postgres://host:port/", 2); err == nil {
		t.Error("a malformed address was accepted")
	}
}

// TestAnswerLost: the connection breaks after the commit and before its answer arrives. A retry
// finds in the log that each write was applied once. The outcome of a write stays unknown if an
// erasure may have removed it from the log.
func TestAnswerLost(t *testing.T) {
	t.Parallel()
	direct, url := open(t)
	w, url := onWire(t, url)
	s, err := store.Open(t.Context(), url, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	losing := func(user, id string) store.Write {
		lost := false
		write := wrap(user, id)
		change := write.Change
		write.Change = func(current []byte) (settings.Next, error) {
			if !lost {
				lost = true
				w.loseAnswer()
			}
			return change(current)
		}
		return issued(write, time.Now())
	}
	// Prepares all statements beforehand, since preparing one has an answer of its own.
	prepare := func(id string) { write(t, s, wrap("carl", id), erase("carl", id+"e")) }

	write(t, s, wrap("ann", "1"), wrap("bob", "1"))
	prepare("1")
	for i, got := range write(t, s, losing("ann", "2"), wrap("bob", "2")) {
		if !got.Replayed {
			t.Errorf("write %d: %+v", i, got)
		}
		isDocument(t, "the answer in the end", got.Document, 2, `{"was":{"was":{}}}`)
	}
	check(t, direct, "ann", 2, `{"was":{"was":{}}}`)

	prepare("2")
	got := s.Write(t.Context(), []store.Write{
		losing("ann", "3"), erase("ann", "4"), wrap("bob", "3"),
	})
	if !errors.Is(got[0].Err, store.ErrOutcomeUnknown) {
		t.Errorf("written and erased: %+v", got[0])
	}
	if got[1].Err != nil || !got[1].Replayed || got[2].Err != nil || !got[2].Replayed {
		t.Errorf("the erasure: %+v, a neighbour: %+v", got[1], got[2])
	}
	check(t, direct, "ann", 4, "")
}

// TestUnknownHalf: half of a split batch ends without an answer, and then its row stays locked. So
// its outcome stays unknown, but that of the other half is known.
func TestUnknownHalf(t *testing.T) {
	t.Parallel()
	direct, url := open(t)
	write(t, direct, replace(t, "ann", "1", `{}`))
	holder := connect(t, url)
	tx, err := holder.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w, url := onWire(t, url)
	s := reopen(t, url)

	bad, lost := replace(t, "bob", "1", `{}`), replace(t, "ann", "2", `{}`)
	bad = changing(bad, func([]byte) (settings.Next, error) {
		return settings.Next{Document: []byte(`{"not json`)}, nil
	})
	attempts, held := 0, make(chan struct{})
	lost = changing(lost, func([]byte) (settings.Next, error) {
		if attempts++; attempts == 2 { // the first was that of the whole batch
			w.loseRequest(func() {
				defer close(held)
				_, err := tx.Exec(t.Context(),
					`select from settings where user_id = 'ann' for update`)
				if err != nil {
					t.Error(err)
				}
			})
		}
		return settings.Next{Document: []byte(`{"n":2}`)}, nil
	})
	written := s.Write(t.Context(), []store.Write{bad, lost})
	if err := written[0].Err; err == nil || errors.Is(err, store.ErrOutcomeUnknown) ||
		errors.Is(err, store.ErrUnavailable) {
		t.Errorf("the bad one: %v", err)
	}
	if err := written[1].Err; !errors.Is(err, store.ErrOutcomeUnknown) || attempts != 2 {
		t.Fatalf("the one whose answer was lost: %v, after %d attempts", err, attempts)
	}
	<-held
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again := write(t, s, lost)[0]; again.Version != 2 { // the same write may be sent again
		t.Errorf("again: %+v", again)
	}
	checkLog(t, holder)
}

// TestTooSlowTogether: a batch computes for so long that Postgres ends its transaction, as it would
// each time. It is applied in smaller parts.
func TestTooSlowTogether(t *testing.T) {
	t.Parallel()
	// Each kind of connection fails with an error of its own.
	for name, wired := range map[string]bool{"socket": false, "TCP": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, url := open(t)
			observer := connect(t, url)
			if wired {
				_, address := onWire(t, url)
				s = reopen(t, address)
			}
			slow, slept := false, 0
			first, second, third := wrap("ann", "1"), wrap("bob", "1"), wrap("carl", "1")
			first.Change = func([]byte) (settings.Next, error) {
				slow = true
				return settings.Next{Document: []byte(`{}`)}, nil
			}
			second.Change = func([]byte) (settings.Next, error) {
				if slow {
					slow, slept = false, slept+1
					becomes(t, observer, `
						select count(*) = 0 from pg_stat_activity
						where datname = current_database() and state = 'idle in transaction'`)
				}
				return settings.Next{Document: []byte(`{}`)}, nil
			}
			for i, got := range write(t, s, first, second, third) {
				if got.Version != 1 || got.Replayed {
					t.Errorf("write %d: %+v", i, got)
				}
			}
			if slept == 0 {
				t.Error("nothing was slow")
			}
			checkLog(t, connect(t, url))
		})
	}
}
