package store_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/outset-settings/outset/internal/settings"
	"github.com/outset-settings/outset/pkg/store"
)

// TestLockedRows: another session holds a few rows of a large batch. Their writes fail with
// ErrBusy, all others are applied.
func TestLockedRows(t *testing.T) {
	t.Parallel()
	_, url := open(t)
	s := openWith(t, url, store.Timeouts{Lock: 50 * time.Millisecond})
	held := map[int]bool{17: true, 18: true, 200: true, 511: true}
	var writes []store.Write
	for i := range 512 {
		writes = append(writes, replace(t, fmt.Sprint("user", i), "1", `{}`))
	}
	s.Write(t.Context(), writes)
	holder := connect(t, url)
	tx, err := holder.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range held {
		exec(t, tx.Conn(), `select from settings where user_id = $1 for update`, writes[i].User)
	}
	for i := range writes {
		writes[i] = replace(t, writes[i].User, "2", `{"n":2}`)
	}
	replayed := replace(t, "user17", "1", `{}`) // answered from the log, which nobody holds
	before := s.Acquired()
	written := s.Write(t.Context(), append(writes, replayed))
	// The statement and the three lock modes, of which only the last divides the batch. A
	// transaction for each row would be far more.
	if n := s.Acquired() - before; n > 16 {
		t.Errorf("it took %d transactions", n)
	}
	if w := written[512]; w.Err != nil || w.Version != 1 || !w.Replayed {
		t.Errorf("the repetition for a held row: %+v", w)
	}
	for i, w := range written[:512] {
		switch {
		case held[i] && !errors.Is(w.Err, store.ErrBusy):
			t.Errorf("held row %d: %+v", i, w)
		case !held[i] && (w.Err != nil || w.Version != 2):
			t.Errorf("neighbour %d: %+v", i, w)
		}
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(t, s, "user17", 1, "{}")
	checkLog(t, holder)
}

// TestDeletedMeanwhile: a row disappears while the transaction waits for another one.
func TestDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	_, url := open(t)
	s := openWith(t, url, store.Timeouts{Lock: store.Patient})
	s.Write(t.Context(), []store.Write{replace(t, "a", "1", `{}`), replace(t, "b", "1", `{}`)})
	holder, deleter := connect(t, url), connect(t, url)
	tx, err := holder.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	exec(t, tx.Conn(), `select from settings where user_id in ('a', 'b') for update`)
	written := make(chan []store.Written)
	go func() {
		written <- s.Write(t.Context(), []store.Write{
			replace(t, "a", "2", `{}`), replace(t, "b", "2", `{}`),
		})
	}()
	becomes(t, deleter, lockAwaited)
	exec(t, tx.Conn(),
		`delete from settings where user_id = 'b'; delete from settings_log where user_id = 'b'`)
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := <-written
	if got[0].Err != nil || got[0].Version != 2 {
		t.Errorf("a: %+v", got[0])
	}
	if got[1].Err != nil || got[1].Version != 1 {
		t.Errorf("b, who is new again: %+v", got[1])
	}
	checkLog(t, deleter)
}

// TestNewUserHeld: another session has inserted a few users of a large batch and doesn't commit.
// Their writes fail with ErrBusy, all others are applied.
func TestNewUserHeld(t *testing.T) {
	t.Parallel()
	_, url := open(t)
	s := openWith(t, url, store.Timeouts{Lock: 50 * time.Millisecond})
	holder := connect(t, url)
	tx, err := holder.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	held := map[int]bool{17: true, 18: true, 200: true}
	var writes []store.Write
	for i := range 256 {
		writes = append(writes, replace(t, fmt.Sprint("user", i), "1", `{}`))
		if held[i] {
			exec(t, tx.Conn(), `insert into settings values ($1, 0, null, now())`, writes[i].User)
		}
	}
	for i, w := range s.Write(t.Context(), writes) {
		switch {
		case held[i] && (!errors.Is(w.Err, store.ErrBusy) ||
			errors.Is(w.Err, store.ErrOutcomeUnknown)):
			t.Errorf("held user %d: %+v", i, w)
		case !held[i] && (w.Err != nil || w.Version != 1):
			t.Errorf("neighbour %d: %+v", i, w)
		}
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	write(t, s, writes[17], writes[200])
	checkLog(t, holder)
}

// TestSlowChanges: a batch that computes for longer than one transaction may is applied in several,
// in order, so that others get their turn between them.
func TestSlowChanges(t *testing.T) {
	t.Parallel()
	_, url := open(t)
	s := openWith(t, url, store.Timeouts{Computing: -1}) // so each of them takes longer
	const n = 20
	var writes []store.Write
	for i := range n {
		w := replace(t, "ann", fmt.Sprint(i), fmt.Sprintf(`{"n":%d}`, i))
		writes = append(writes, changing(w, func([]byte) (settings.Next, error) {
			return settings.Next{Document: w.Replace}, nil
		}))
	}
	for i, w := range s.Write(t.Context(), writes) {
		if w.Err != nil || w.Version != int64(i+1) || w.Replayed {
			t.Errorf("write %d: version %d, %v", i, w.Version, w.Err)
		}
	}
	conn := connect(t, url)
	var transactions int
	err := conn.QueryRow(t.Context(),
		`select count(distinct applied_at) from settings_log`).Scan(&transactions)
	if err != nil {
		t.Fatal(err)
	}
	if transactions != n {
		t.Errorf("%d transactions of %d changes", transactions, n)
	}
	checkLog(t, conn)
}
