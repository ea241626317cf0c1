package store_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outset-settings/outset/internal/settings"
	"github.com/outset-settings/outset/pkg/store"
)

// issued sets when a write was issued.
func issued(w store.Write, at time.Time) store.Write {
	w.Issued = at
	return w
}

// TestErase: nothing of the user can be read or restored any more, and versions go on counting.
// Repeating the erasure doesn't erase what was written since.
func TestErase(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	write(t, s, replace(t, "ann", "1", `{"secret":1}`), replace(t, "ann", "2", `{"secret":2}`),
		replace(t, "bob", "1", `{}`))
	first := write(t, s, erase("ann", "3"))[0]
	isDocument(t, "the erasure", first.Document, 3, "")
	check(t, s, "ann", 3, "")
	isReplay(t, "repeated at once", write(t, s, erase("ann", "3"))[0], first)
	write(t, s, replace(t, "ann", "4", `{"n":4}`), replace(t, "ann", "5", `{"n":5}`))
	isReplay(t, "repeated", write(t, s, erase("ann", "3"))[0], first)
	check(t, s, "ann", 5, `{"n":5}`)
	for version := int64(1); version < 4; version++ {
		f := read(t, s, store.Read{User: "ann", Version: version})[0]
		if !errors.Is(f.Err, settings.ErrNotFound) || f.Bytes != nil {
			t.Errorf("version %d: %+v", version, f)
		}
		again := restore("ann", fmt.Sprint("r", version), version)
		w := s.Write(t.Context(), []store.Write{again})[0]
		if !errors.Is(w.Err, settings.ErrNotFound) {
			t.Errorf("version %d: %+v", version, w)
		}
	}
	hasVersions(t, s, "ann", 5, 4)
	write(t, s, erase("ann", "6"))
	hasVersions(t, s, "ann")
	isReplay(t, "repeated after another", write(t, s, erase("ann", "3"))[0], first)

	conn := connect(t, url)
	var rows, secrets int
	err := conn.QueryRow(t.Context(), `
		select count(*), count(*) filter (where document is not null)
		from settings_log
		where user_id = 'ann'`).Scan(&rows, &secrets)
	if err != nil {
		t.Fatal(err)
	}
	if rows != 2 || secrets != 0 {
		t.Errorf("the log has %d rows, %d of them with a document; want the 2 erasures", rows,
			secrets)
	}
	var stored int64
	if err := conn.QueryRow(t.Context(), `select written from settings where user_id = 'ann'`).
		Scan(&stored); err != nil || stored != store.VersionOverhead {
		t.Errorf("it is known that %d bytes were stored (%v), want those of the erasure", stored, err)
	}
	hasVersions(t, s, "bob", 1)
	checkLog(t, conn)
}

// TestEraseInABatch: an erasure also removes what the same batch wrote before it. What it writes
// after that stays.
func TestEraseInABatch(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	write(t, s, replace(t, "ann", "1", `{"n":1}`))
	writes := []store.Write{
		replace(t, "ann", "2", `{"n":2}`),
		remove("ann", "3"),
		restore("ann", "4", 1),
		erase("ann", "5"), // version 5
		restore("ann", "no", 1),
		restore("ann", "no", 2),
		restore("ann", "no", 5),
		replace(t, "ann", "6", `{"n":6}`),
		erase("ann", "7"),                 // version 7
		erase("ann", "5"),                 // a repetition
		replace(t, "ann", "2", `{"n":2}`), // without a time it can't be recognised, and is applied
		wrap("ann", "8"),
		restore("ann", "9", 8),
	}
	want := []struct {
		version int64
		is      string
	}{
		{2, `{"n":2}`},
		{3, ""},
		{4, `{"n":1}`},
		{5, ""},
		{},
		{},
		{},
		{6, `{"n":6}`},
		{7, ""},
		{5, ""},
		{8, `{"n":2}`},
		{9, `{"was":{"n":2}}`},
		{10, `{"n":2}`},
	}
	written := s.Write(t.Context(), writes)
	for i, w := range written {
		if want[i].version == 0 {
			if !errors.Is(w.Err, settings.ErrNotFound) {
				t.Errorf("write %d: %+v", i, w)
			}
			continue
		}
		if w.Err != nil || w.Replayed != (i == 9) {
			t.Errorf("write %d: %+v", i, w)
		}
		isDocument(t, fmt.Sprint("write ", i), w.Document, want[i].version, want[i].is)
	}
	hasVersions(t, s, "ann", 10, 9, 8)
	for _, i := range []int{3, 8, 10, 11, 12} { // those that the log still has
		isReplay(t, fmt.Sprint("write ", i), write(t, s, writes[i])[0], written[i])
	}
	checkLog(t, connect(t, url))
}

// TestLateAfterErasure: a repetition of a write that was erased is refused, in a later batch and in
// that of the erasure. New writes are applied.
func TestLateAfterErasure(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	before, after := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	secret := issued(replace(t, "ann", "1", `{"secret":1}`), before)
	isLate := func(w store.Written) {
		t.Helper()
		if !errors.Is(w.Err, store.ErrUnavailable) || errors.Is(w.Err, store.ErrOutcomeUnknown) ||
			w.Bytes != nil {
			t.Errorf("a repetition of what was erased: %+v", w)
		}
	}
	write(t, s, secret)
	written := s.Write(t.Context(), []store.Write{
		issued(erase("ann", "2"), before), secret, issued(wrap("ann", "3"), before),
	})
	isLate(written[1])
	// issued before, but surely not applied before
	if w := written[2]; w.Err != nil || w.Version != 3 {
		t.Errorf("a new one beside the erasure: %+v", w)
	}
	isLate(s.Write(t.Context(), []store.Write{secret})[0])
	isLate(s.Write(t.Context(), []store.Write{issued(erase("ann", "lost"), before)})[0])
	check(t, s, "ann", 3, `{"was":{}}`)
	write(t, s, issued(wrap("ann", "3"), before), issued(erase("ann", "2"), before)) // repetitions
	write(t, s, issued(wrap("ann", "4"), after))
	check(t, s, "ann", 4, `{"was":{"was":{}}}`)
	checkLog(t, connect(t, url))
}

// TestErasersAndWriters: two workers erase and write the same users in batches of random order.
// Each is applied once, nothing deadlocks, and no erased row is left.
func TestErasersAndWriters(t *testing.T) {
	t.Parallel()
	a, url := open(t)
	const rounds, users = 30, 6
	saveAll(t, a, "user", users)
	var applied [users]atomic.Int64 // beside that
	var wg sync.WaitGroup
	for n, s := range []*store.Store{a, a, reopen(t, url), reopen(t, url)} {
		wg.Go(func() {
			for round := range rounds {
				var writes []store.Write
				var of []int
				for _, u := range append(rand.Perm(users), rand.Perm(users)...) {
					user, id := fmt.Sprint("user", u), fmt.Sprint(n, "/", round, "/", len(writes))
					kinds := []store.Write{
						replace(t, user, id, `{}`), wrap(user, id), remove(user, id),
						erase(user, id),
					}
					writes, of = append(writes, kinds[rand.IntN(len(kinds))]), append(of, u)
				}
				for i, w := range persist(t, s, writes) {
					if w.Replayed {
						t.Errorf("worker %d, round %d, write %d: %+v", n, round, i, w)
					}
					applied[of[i]].Add(1)
				}
			}
		})
	}
	wg.Wait()
	for u := range users {
		got := read(t, a, current(fmt.Sprint("user", u))...)[0].Version
		if got != 1+applied[u].Load() {
			t.Errorf("user %d is at version %d after %d more writes", u, got, applied[u].Load())
		}
	}
	checkLog(t, connect(t, url))
}

// TestNothingToDelete: who never saved can't be deleted or erased, whatever the condition, and
// leaves no row. Who was deleted can be again.
func TestNothingToDelete(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	conn := connect(t, url)
	for i, w := range s.Write(t.Context(), []store.Write{
		remove("nobody", "1"), erase("nobody", "2"),
		onlyIf(remove("nobody", "3"), match(1)), onlyIf(erase("nobody", "4"), match(0)),
	}) {
		if !errors.Is(w.Err, settings.ErrNotFound) {
			t.Errorf("write %d: %+v", i, w)
		}
	}
	for _, rows := range []string{
		`settings where user_id = $1`, `settings_log where user_id = $1`,
		`settings_changes where $1 = any(users)`,
	} {
		if n := count(t, conn, `select count(*) from `+rows, "nobody"); n != 0 {
			t.Errorf("%d rows of %s", n, rows)
		}
	}
	write(t, s, replace(t, "ann", "1", `{}`), remove("ann", "2"), remove("ann", "3"),
		erase("ann", "4"), erase("ann", "5"))
	check(t, s, "ann", 5, "")
}
