package store_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/outset-settings/outset/internal/settings"
	"github.com/outset-settings/outset/pkg/store"
)

const day = 24 * time.Hour

// age makes rows of the log look older.
func age(t *testing.T, conn *pgx.Conn, user string, upTo int64, by time.Duration) {
	t.Helper()
	exec(t, conn, `
		update settings_log
		set applied_at = applied_at - $3::interval
		where user_id = $1 and version <= $2`, user, upTo, by)
}

func exec(t testing.TB, conn *pgx.Conn, statement string, arguments ...any) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), statement, arguments...); err != nil {
		t.Fatal(err)
	}
}

// prune takes steps, without the pauses between them, until a walk through all users ends. It
// returns how many steps that took and how many rows they removed.
func prune(t *testing.T, s *store.Store, conn *pgx.Conn, keep store.Retention) (
	steps int, removed int64,
) {
	t.Helper()
	for {
		exec(t, conn, `update settings_pruning set due = clock_timestamp() where id = 1`)
		n, next, err := s.Prune(t.Context(), keep)
		if err != nil {
			t.Fatal(err)
		}
		steps, removed = steps+1, removed+n
		if next > 2*time.Second { // between two walks
			return steps, removed
		}
	}
}

// TestPrune: a version is kept if it is one of the last ones, if it is young, or if it is current.
func TestPrune(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	conn := connect(t, url)
	keep := store.Retention{Versions: 3, Age: day}
	for _, user := range []string{
		"all old", "some old", "none old", "few", "erased", "erased now", "erased early",
	} {
		count := 10
		if user == "few" {
			count = 2
		}
		var writes []store.Write
		for n := range count {
			writes = append(writes, replace(t, user, fmt.Sprint(n), fmt.Sprintf(`{"n":%d}`, n+1)))
		}
		write(t, s, writes...)
	}
	write(t, s, erase("erased early", "e")) // version 11
	for n := range 5 {
		write(t, s, replace(t, "erased early", fmt.Sprint("late", n), `{}`))
	}
	write(t, s, erase("erased", "e"), erase("erased now", "e"))
	for user, upTo := range map[string]int64{
		"all old": 99, "some old": 5, "few": 99, "erased": 99, "erased early": 11,
	} {
		age(t, conn, user, upTo, day+time.Minute)
	}
	age(t, conn, "none old", 99, day-time.Hour)
	age(t, conn, "erased now", 99, day-time.Hour)

	if steps, removed := prune(t, s, conn, keep); steps != 1 || removed != 7+5+0+0+1+0+1 {
		t.Errorf("%d rows removed in %d steps", removed, steps)
	}
	hasVersions(t, s, "all old", 10, 9, 8)
	hasVersions(t, s, "some old", 10, 9, 8, 7, 6)
	hasVersions(t, s, "none old", 10, 9, 8, 7, 6, 5, 4, 3, 2, 1)
	hasVersions(t, s, "few", 2, 1)
	hasVersions(t, s, "erased early", 16, 15, 14, 13, 12)
	f := read(t, s, store.Read{User: "all old", Version: 7})[0]
	if !errors.Is(f.Err, settings.ErrNotFound) {
		t.Errorf("a version that was removed: %+v", f)
	}
	check(t, s, "all old", 10, `{"n":10}`)
	check(t, s, "erased", 11, "")
	if w := write(t, s, erase("erased now", "e"))[0]; !w.Replayed {
		t.Errorf("an erasure that is kept: %+v", w)
	}
	if w := write(t, s, replace(t, "all old", "6", `{"n":7}`))[0]; w.Replayed || w.Version != 11 {
		t.Errorf("an id that isn't kept: %+v", w)
	}
	checkPrunedLog(t, conn)

	// However little is to be kept, the current version stays.
	age(t, conn, "all old", 99, 2*day)
	prune(t, s, conn, store.Retention{})
	for user, version := range map[string]int64{
		"all old": 11, "some old": 10, "few": 2, "erased early": 16,
	} {
		hasVersions(t, s, user, version)
	}
	if _, removed := prune(t, s, conn, store.Retention{}); removed != 0 {
		t.Errorf("%d more rows removed", removed)
	}
	checkPrunedLog(t, conn)
}

// fill inserts users with versions that are two days old, faster than writing them.
func fill(t *testing.T, conn *pgx.Conn, users, versions int) {
	t.Helper()
	exec(t, conn, `
		insert into settings (user_id, version, document, updated_at)
		select 'user' || lpad(u::text, 5, '0'), $2, '{}', now() - interval '2 days'
		from generate_series(1, $1::int) u`, users, versions)
	exec(t, conn, `
		insert into settings_log (user_id, version, operation_id, fingerprint, operation, created,
		                          document, size, applied_at)
		select 'user' || lpad(u::text, 5, '0'), v, v, '', 'replace', false,
		       '{}', 2, now() - interval '2 days'
		from generate_series(1, $1::int) u, generate_series(1, $2::int) v`, users, versions)
}

// TestPruneWalks: a walk gets to all users, a thousand in each step, and then begins again. A step
// that isn't due isn't taken.
func TestPruneWalks(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	conn := connect(t, url)
	fill(t, conn, 2500, 2)
	keep := store.Retention{Versions: 1, Age: day}
	removed, next, err := s.Prune(t.Context(), keep)
	if removed != 1000 || next <= 0 || err != nil {
		t.Errorf("first step: %d removed, next in %v, %v", removed, next, err)
	}
	exec(t, conn,
		`update settings_pruning set due = clock_timestamp() + interval '1 hour' where id = 1`)
	removed, next, err = s.Prune(t.Context(), keep)
	if removed != 0 || next < 59*time.Minute || next > time.Hour || err != nil {
		t.Errorf("not due: %d removed, next in %v, %v", removed, next, err)
	}
	// another worker goes on
	if _, removed := prune(t, reopen(t, url), conn, keep); removed != 1500 {
		t.Errorf("%d removed in the rest of the walk, want 1500", removed)
	}
	if steps, removed := prune(t, s, conn, keep); steps != 3 || removed != 0 {
		t.Errorf("the second walk took %d steps and removed %d", steps, removed)
	}
	checkPrunedLog(t, conn)
}

// TestPruneBacklog: users with far more old versions than one step removes.
func TestPruneBacklog(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	conn := connect(t, url)
	fill(t, conn, 3, 1234)
	age(t, conn, "user00002", 1000, day)
	exec(t, conn,
		`update settings_log set applied_at = now() where user_id = 'user00003' and version > 34`)
	_, removed := prune(t, s, conn, store.Retention{Versions: 100, Age: day})
	if want := int64(1134 + 1134 + 34); removed != want {
		t.Errorf("%d removed, want %d", removed, want)
	}
	checkPrunedLog(t, conn)
}
