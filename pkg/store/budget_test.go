package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/outset-settings/outset/internal/settings"
	"github.com/outset-settings/outset/internal/testmetrics"
	"github.com/outset-settings/outset/pkg/store"
)

// held returns the bytes of all documents in the log, with what each version counts beside.
func held(t *testing.T, conn *pgx.Conn, user string) (bytes int64) {
	t.Helper()
	err := conn.QueryRow(t.Context(), `
		select coalesce(sum(octet_length(document::text) + $2), 0)
		from settings_log
		where user_id = $1`, user, store.VersionOverhead).Scan(&bytes)
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}

// TestBudget: replacements and restores by eight clients of two workers don't make the history
// larger than its budget. The newest documents are kept, and every repetition is recognized.
func TestBudget(t *testing.T) {
	t.Parallel()
	const budget, size, clients, each = 1 << 20, 64 << 10, 8, 25
	one, url := open(t)
	conn := connect(t, url)
	stores := []*store.Store{one, reopen(t, url)}
	document := func(n int) string {
		return fmt.Sprintf(`{"n":%d,"text":%q}`, n, strings.Repeat("x", size-100))
	}
	for _, s := range stores {
		s.LimitHistory(budget)
	}
	write(t, one, replace(t, "neighbour", "1", `{"kept":1}`), replace(t, "neighbour", "2", `{}`))
	var (
		g    errgroup.Group
		last = make([]store.Write, clients)
	)
	write(t, one, replace(t, "ann", "1", document(1)), replace(t, "ann", "2", document(2)))
	for c := range clients {
		g.Go(func() error {
			for i := range each {
				s, id := stores[c%len(stores)], fmt.Sprint(c, "/", i)
				if last[c] = replace(t, "ann", id, document(10+c*each+i)); i%2 == 0 {
					persist(t, s, last[c:c+1])
					continue
				}
				w, err := restorePrevious(t, s, "ann", id)
				if err != nil {
					return err
				}
				last[c] = w
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	// Whoever writes next drops what a look that was interrupted has left.
	final := write(t, one, replace(t, "ann", "final", document(3)))[0]
	if want := int64(2 + clients*each + 1); final.Version != want {
		t.Fatalf("version %d, want %d", final.Version, want)
	}
	if n := held(t, conn, "ann"); n > budget || n < budget*3/4 {
		t.Errorf("the log has %d bytes of documents, with a budget of %d", n, budget)
	}
	if n := held(t, conn, "neighbour"); n != 12+2*store.VersionOverhead {
		t.Errorf("%d bytes of a neighbour", n)
	}
	checkLog(t, conn)

	f := read(t, one, store.Read{User: "ann", Version: 1})[0]
	if !errors.Is(f.Err, settings.ErrNotFound) || !strings.Contains(f.Err.Error(), "budget") {
		t.Errorf("version 1: %+v", f)
	}
	w := one.Write(t.Context(), []store.Write{restore("ann", "again", 1)})[0]
	if !errors.Is(w.Err, settings.ErrNotFound) || !strings.Contains(w.Err.Error(), "budget") {
		t.Errorf("version 1, restored: %+v", w)
	}
	first := write(t, one, replace(t, "ann", "1", document(1)))[0]
	if !first.Replayed || first.Version != 1 || !first.Dropped || first.Bytes != nil {
		t.Errorf("the repetition of the first write: %+v", first)
	}
	again := one.Write(t.Context(), []store.Write{replace(t, "ann", "1", `{}`)})[0]
	if !errors.Is(again.Err, store.ErrIDReused) {
		t.Errorf("another write with its id: %+v", again)
	}
	for c, w := range last {
		if got := write(t, one, w)[0]; !got.Replayed {
			t.Errorf("the repetition of the last write of client %d: %+v", c, got)
		}
	}
	write(t, one, restore("ann", "kept", final.Version-1))

	// What is on disk is the budget and a small row for each version.
	exec(t, conn, `vacuum full settings_log`)
	var bytes int64
	err := conn.QueryRow(t.Context(), `select pg_total_relation_size('settings_log')`).Scan(&bytes)
	if err != nil {
		t.Fatal(err)
	}
	if most := int64(budget + (2+clients*each+4)*1024 + 64<<10); bytes > most {
		t.Errorf("the table has %d bytes, want at most %d", bytes, most)
	}
}

// restorePrevious restores the version before what is the current one when it reads it. It begins
// anew if others write so much meanwhile that it is dropped.
func restorePrevious(t *testing.T, s *store.Store, user, id string) (store.Write, error) {
	for {
		found, err := s.Read(t.Context(), current(user))
		if err != nil {
			return store.Write{}, err
		}
		w := restore(user, id, found[0].Version-1)
		err = store.ErrUnavailable
		for errors.Is(err, store.ErrUnavailable) && t.Context().Err() == nil {
			err = s.Write(t.Context(), []store.Write{w})[0].Err
		}
		if !errors.Is(err, settings.ErrNotFound) {
			return w, err
		}
	}
}

// TestBudgetOfEverything: whatever makes the versions, the log holds no more than the budget, and
// the current document stays although it alone is larger.
func TestBudgetOfEverything(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	conn := connect(t, url)
	const budget = 16 << 10
	s.LimitHistory(budget)
	version := int64(0)
	for i, w := range []func(id string) store.Write{
		func(id string) store.Write { return replace(t, "ann", id, `{"a":1}`) },
		func(id string) store.Write { return wrap("ann", id) },
		func(id string) store.Write { return restore("ann", id, version) },
		func(id string) store.Write { return remove("ann", id) },
		func(id string) store.Write { return erase("ann", id) },
	} {
		for n := range 100 {
			if got := write(t, s, w(fmt.Sprint(i, "/", n)))[0]; got.Version != version+1 {
				t.Fatalf("%+v after version %d", got, version)
			}
			version++
			if got := held(t, conn, "ann"); got > budget {
				t.Fatalf("kind %d, write %d: %d bytes", i, n, got)
			}
		}
		checkLog(t, conn)
	}
	large := fmt.Sprintf(`{"a":%q}`, strings.Repeat("x", 2*budget))
	write(t, s, replace(t, "ann", "large", large), remove("ann", "-"), replace(t, "ann", "+", large))
	check(t, s, "ann", version+3, large)
	hasDocument(t, s, "ann", version+3, large, true)
	hasDocument(t, s, "ann", version+1, "", false)
	hasDocument(t, s, "ann", version+2, "", true)
	checkLog(t, conn)
}

// TestBudgetMadeSmaller: what a larger budget has left is dropped as the user goes on to write.
func TestBudgetMadeSmaller(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	conn := connect(t, url)
	batch := make([]store.Write, 500)
	for i := range 10 {
		for n := range batch {
			batch[n] = replace(t, "ann", fmt.Sprint(i, "/", n), `{"a":1}`)
		}
		write(t, s, batch...)
	}
	if n := held(t, conn, "ann"); n != 5000*(7+store.VersionOverhead) {
		t.Fatalf("%d bytes without a budget", n)
	}
	const budget = 100 << 10
	s.LimitHistory(budget)
	for n := range 100 {
		write(t, s, replace(t, "ann", fmt.Sprint("later ", n), `{"a":1}`))
	}
	if n := held(t, conn, "ann"); n > budget {
		t.Errorf("%d bytes", n)
	}
	checkLog(t, conn)
}

// TestBudgetLeftToPrune: what no look after a write has dropped is dropped by Prune, a bounded part
// of it in each statement.
func TestBudgetLeftToPrune(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	conn := connect(t, url)
	const budget, users, each, size = 32 << 10, 20, 30, 16 << 10
	for n := range each {
		document := fmt.Sprintf(`{"n":%d,"a":%q}`, n, strings.Repeat("x", size))
		batch := make([]store.Write, users)
		for u := range batch {
			batch[u] = replace(t, fmt.Sprint("user", u), fmt.Sprint(n), document)
		}
		write(t, s, batch...)
	}
	s.LimitHistory(budget)
	keep := store.Retention{Versions: each, Age: day}
	for u := range users {
		if user := fmt.Sprint("user", u); held(t, conn, user) <= budget {
			t.Fatalf("%s is within the budget before", user)
		}
	}
	if _, removed := prune(t, s, conn, keep); removed > 0 {
		t.Errorf("%d versions were removed", removed)
	}
	for u := range users {
		if user := fmt.Sprint("user", u); held(t, conn, user) > budget {
			t.Errorf("%s has %d bytes", user, held(t, conn, user))
		}
	}
	checkLog(t, conn)
}

// TestBudgetOfLockedUser: a look drops what it can of others while somebody has locked a user's
// row, fails to wait for that, and leaves it to Prune.
func TestBudgetOfLockedUser(t *testing.T) {
	t.Parallel()
	_, url := open(t)
	s := openWith(t, url, store.Timeouts{Lock: 50 * time.Millisecond})
	const budget = 8 << 10
	s.LimitHistory(budget)
	conn, holder := connect(t, url), connect(t, url)
	document := func(n string) string {
		return fmt.Sprintf(`{"n":"%s","a":%q}`, n, strings.Repeat("x", budget))
	}
	for _, n := range []string{"1", "2", "3"} {
		write(t, s, replace(t, "ann", n, document(n)), replace(t, "bob", n, document(n)))
	}
	tx, err := holder.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	writes := []store.Write{
		replace(t, "ann", "4", document("4")), replace(t, "bob", "4", document("4")),
	}
	written := s.WriteInParts(t.Context(), writes, func([]int, []store.Written) {
		exec(t, tx.Conn(), `select from settings where user_id = 'ann' for update`)
	})
	if written[0].Err != nil || written[1].Err != nil {
		t.Fatalf("%+v", written)
	}
	const one = budget + 16 + store.VersionOverhead // the current document stays
	if n := held(t, conn, "bob"); n > one+4*store.VersionOverhead {
		t.Errorf("%d bytes of bob", n)
	}
	if n := held(t, conn, "ann"); n < 2*one {
		t.Errorf("%d bytes of ann: nothing was left", n)
	}
	testmetrics.Of(t, s.Metrics()).Want(t, testmetrics.Values{
		"outset_postgres_history_drop_failures_total": 1,
	})
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	prune(t, s, conn, store.Retention{Versions: 10, Age: day})
	if n := held(t, conn, "ann"); n > one+4*store.VersionOverhead {
		t.Errorf("%d bytes of ann", n)
	}
	checkLog(t, conn)
}
