package worker_test

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/internal/localpg/pgtest"
	"github.com/outset-settings/outset/pkg/messages"
)

// All lanes of writes wait for rows that somebody else holds. A read has a connection all the same.
// Not parallel to others: three writes and the read must come while the first of them waits, which
// it does for 300 ms.
func TestReadsGoOnWhileWritesWait(t *testing.T) {
	s, url := openAt(t)
	nc := connect(t)
	start(t, nc, s, config)
	held := make([]string, config.WriteLanes)
	for i := range held {
		held[i] = fmt.Sprint("held", i)
		if r := do(t, nc, replace(held[i], "first", `{}`)); r.Kind != "" {
			t.Fatalf("the first write: %q, %s", r.Kind, r.Detail)
		}
	}
	holder, observer := pgtest.Connect(t, url), pgtest.Connect(t, url)

	attempt := 0
	eventually(t, "a read is answered while all lanes wait, and go on waiting", func() bool {
		attempt++
		release := hold(t, holder, held)
		replies := make([]*nats.Subscription, len(held))
		var before map[int32]time.Time
		for i, user := range held { // one after the other, so that each has a lane of its own
			replies[i] = send(t, nc, replace(user, fmt.Sprint("waits", attempt), `{}`))
			for late := time.Now().Add(time.Second); len(before) <= i &&
				time.Now().Before(late); time.Sleep(time.Millisecond) {
				before = waits(t, observer)
			}
		}
		if r := do(t, nc, read("another")); r.Kind != "" {
			t.Fatalf("the read: %q, %s", r.Kind, r.Detail)
		}
		after := waits(t, observer)
		release()
		waited := len(before) == len(held) && maps.EqualFunc(before, after, time.Time.Equal)
		for _, reply := range replies { // the lanes are free again
			m, err := reply.NextMsg(10 * time.Second)
			if err != nil {
				t.Fatal(err)
			}
			if r := decode(t, m, 1); waited && (r.Kind != "" || r.Results[0].Kind != "") {
				t.Errorf("a write that waited: %+v", r)
			}
		}
		return waited
	})
}

// hold locks the users' rows until release is called.
func hold(t *testing.T, conn *pgx.Conn, users []string) (release func()) {
	t.Helper()
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tag, err := tx.Exec(t.Context(), `select from settings where user_id = any($1) for update`, users)
	if err != nil || tag.RowsAffected() != int64(len(users)) {
		t.Fatalf("%d rows of %d are held: %v", tag.RowsAffected(), len(users), err)
	}
	return func() {
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// send sends an operation and returns where the reply comes.
func send(t *testing.T, nc *nats.Conn, o messages.Operation) *nats.Subscription {
	t.Helper()
	reply := nc.NewInbox()
	sub, err := nc.SubscribeSync(reply)
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.PublishRequest(o.Action.Subject(), reply, encode(t, o)); err != nil {
		t.Fatal(err)
	}
	return sub
}

// waits tells which of the database's processes wait for a row, and since when they are at it.
func waits(t *testing.T, conn *pgx.Conn) map[int32]time.Time {
	t.Helper()
	rows, err := conn.Query(t.Context(), `
		select pid, query_start from pg_stat_activity
		where wait_event_type = 'Lock' and datname = current_database()`)
	if err != nil {
		t.Fatal(err)
	}
	var (
		pid   int32
		since time.Time
		found = make(map[int32]time.Time)
	)
	if _, err := pgx.ForEachRow(rows, []any{&pid, &since}, func() error {
		found[pid] = since
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return found
}
