package store_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/outset-settings/outset/pkg/store"
)

// TestPruneHeld: rows that another session holds are passed over, and neither waits for the other.
func TestPruneHeld(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	conn, holder := connect(t, url), connect(t, url)
	fill(t, conn, 2, 5)
	keep := store.Retention{Versions: 1, Age: day}
	begin := func(statement string) pgx.Tx {
		tx, err := holder.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		exec(t, tx.Conn(), statement)
		return tx
	}

	tx := begin(`select from settings_pruning where id = 1 for update`) // a step of another worker
	if removed, next, err := s.Prune(t.Context(), keep); removed != 0 || next <= 0 || err != nil {
		t.Errorf("beside another step: %d removed, next in %v, %v", removed, next, err)
	}
	_ = tx.Rollback(t.Context())

	tx = begin(`
		delete from settings_log where user_id = 'user00001';
		select from settings where user_id = 'user00002' for update`)
	if _, removed := prune(t, s, conn, keep); removed != 4 {
		t.Errorf("%d removed beside an erasure, want the other user's 4", removed)
	}
	_ = tx.Rollback(t.Context())
	if _, removed := prune(t, s, conn, keep); removed != 4 {
		t.Errorf("%d removed after it, want 4", removed)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, next, err := s.Prune(ctx, keep); !errors.Is(err, store.ErrUnavailable) || next <= 0 {
		t.Errorf("without a connection: next in %v, %v", next, err)
	}
}

// TestPruneConcurrently: several workers prune while others write and erase. None of them fails,
// and nothing is removed that should be kept.
func TestPruneConcurrently(t *testing.T) {
	t.Parallel()
	a, url := open(t)
	const rounds, users, kept = 40, 20, 3
	keep := store.Retention{Versions: kept}
	saveAll(t, a, "user", users)
	written := make(chan struct{})
	var writers, pruners sync.WaitGroup
	for n, s := range []*store.Store{a, reopen(t, url)} {
		writers.Go(func() {
			for round := range rounds {
				var writes []store.Write
				for _, u := range rand.Perm(users) {
					user, id := fmt.Sprint("user", u), fmt.Sprint(n, "/", round)
					kinds := []store.Write{
						replace(t, user, id, `{}`), remove(user, id), erase(user, id),
						replace(t, user, id, `{"n":1}`),
					}
					writes = append(writes, kinds[rand.IntN(len(kinds))])
				}
				persist(t, s, writes)
			}
		})
	}
	for range 3 {
		s, conn := reopen(t, url), connect(t, url)
		pruners.Go(func() {
			for {
				select {
				case <-written:
					return
				default:
				}
				_, err := conn.Exec(t.Context(),
					`update settings_pruning set due = clock_timestamp() where id = 1`)
				if err != nil {
					t.Error(err)
				}
				if _, next, err := s.Prune(t.Context(), keep); err != nil || next <= 0 {
					t.Errorf("pruning: next in %v, %v", next, err)
				}
			}
		})
	}
	writers.Wait()
	close(written)
	pruners.Wait()
	conn := connect(t, url)
	checkPrunedLog(t, conn)
	prune(t, a, conn, keep)
	checkPrunedLog(t, conn)
	for u := range users {
		user := fmt.Sprint("user", u)
		now := read(t, a, store.Read{User: user}, store.Read{
			User: user, History: &store.Page{Limit: 1000},
		})
		if got := versions(now[1]); len(got) > kept || len(got) > 0 && got[0] != now[0].Version {
			t.Errorf("%s at version %d has the versions %v", user, now[0].Version, got)
		}
	}
	var erasures int
	err := conn.QueryRow(t.Context(),
		`select count(*) from settings_log where operation = 'erase'`).Scan(&erasures)
	if err != nil || erasures != 0 {
		t.Errorf("%d rows of erasures are left, %v", erasures, err)
	}
}
