package api_test

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestLockedRow: while somebody keeps the rows of a few users locked, the writes to all others are
// done. Those that wait for a row hold no lane, neither of the API nor of the workers.
func TestLockedRow(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	const users, each = 4, 4
	for u := range users {
		s.post(fmt.Sprint("held", u), `{}`)
	}
	holder, err := pgx.Connect(t.Context(), s.database)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = holder.Close(t.Context()) }()
	tx, err := holder.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `select from settings where user_id like 'held%' for update`); err != nil {
		t.Fatal(err)
	}

	var (
		waiting  sync.WaitGroup
		answered atomic.Int32
	)
	for i := range users * each {
		waiting.Go(func() {
			a := s.post(fmt.Sprint("held", i%users), fmt.Sprintf(`{"i":%d}`, i))
			answered.Add(1)
			if a.status != http.StatusOK {
				t.Errorf("to a locked row, once it is free: %+v", a)
			}
		})
	}
	eventually(t, "writes wait for the lock", func() bool {
		var n int
		err := holder.QueryRow(t.Context(), `
			select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`).Scan(&n)
		return err == nil && n > 0
	})
	for i := range 50 {
		if a := s.post(fmt.Sprint("free", i), `{}`); a.status != http.StatusOK {
			t.Errorf("to another row: %+v", a)
		}
	}
	if n := answered.Load(); n > 0 {
		t.Errorf("%d writes were answered while their rows were locked", n)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	waiting.Wait()
}
