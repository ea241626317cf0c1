package api_test

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outset-settings/outset/internal/localpg/pgtest"
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
	lockAwaited, release := s.hold("held%")

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
	eventually(t, "writes wait for the lock", lockAwaited)
	var longest time.Duration
	for i := range 50 {
		began := time.Now()
		if a := s.post(fmt.Sprint("free", i), `{}`); a.status != http.StatusOK {
			t.Errorf("to another row: %+v", a)
		}
		longest = max(longest, time.Since(began))
	}
	t.Logf("50 writes to other rows took %v at most", longest)
	if n := answered.Load(); n > 0 {
		t.Errorf("%d writes were answered while their rows were locked", n)
	}
	release()
	free := time.Now()
	waiting.Wait()
	t.Logf("%d writes to the locked rows were done within %v of their release", users*each,
		time.Since(free))
}

// TestClientGoesAway: a client ends its connection while its write is under way. The write is done
// once, and its repetition gets the first answer.
func TestClientGoesAway(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	s.post("42", `{}`)
	lockAwaited, release := s.hold("42")
	const key, body = "Idempotency-Key: once", `{"n":1}`
	conn := s.open(t, fmt.Sprintf("%s%s\r\nContent-Length: %d\r\n\r\n%s", rawPut, key, len(body),
		body))
	eventually(t, "the write waits for the lock", lockAwaited)
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	release()
	eventually(t, "it is done", func() bool { return s.get("42").header.Get("ETag") == `"2"` })
	a := s.do(http.MethodPut, "/user/42/settings", body, isJSON, key)
	if a.status != http.StatusOK || a.body != body || a.header.Get("ETag") != `"2"` ||
		a.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("its repetition: %+v", a)
	}
	s.has("42", 2, body)
}

// hold locks the rows of the users that are like this, until they are released.
func (s *system) hold(users string) (awaited func() bool, release func()) {
	s.t.Helper()
	holder := pgtest.Connect(s.t, s.database)
	tx, err := holder.Begin(s.t.Context())
	if err == nil {
		_, err = tx.Exec(s.t.Context(),
			`select from settings where user_id like $1 for update`, users)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	awaited = func() bool {
		var n int
		err := tx.QueryRow(s.t.Context(), `
			select count(*) from pg_stat_activity
			where wait_event_type = 'Lock' and datname = current_database()`).Scan(&n)
		return err == nil && n > 0
	}
	return awaited, func() {
		s.t.Helper()
		if err := tx.Rollback(s.t.Context()); err != nil {
			s.t.Fatal(err)
		}
	}
}
