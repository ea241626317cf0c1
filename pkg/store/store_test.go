package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/outset-settings/outset/internal/localpg/pgtest"
	"github.com/outset-settings/outset/internal/settings"
	"github.com/outset-settings/outset/pkg/store"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// open returns a store on a new, migrated database, and the database's address.
func open(t testing.TB) (*store.Store, string) {
	t.Helper()
	url := pgtest.ForTest(t)
	if err := store.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	return reopen(t, url), url
}

// reopen returns another store on the same database, as another worker has one.
func reopen(t testing.TB, url string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), url, 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// connect returns a plain connection, to look and to meddle.
func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func replace(t testing.TB, user, id, document string) store.Write {
	t.Helper()
	change, err := settings.Replace([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	return store.Write{User: user, ID: id, Fingerprint: []byte(document), Change: change}
}

// check fails the test unless the user's document and version are as wanted.
func check(t *testing.T, s *store.Store, user string, version int64, document string) {
	t.Helper()
	got, err := s.Read(t.Context(), []string{user})
	if err != nil {
		t.Fatal(err)
	}
	if got[0].Version != version || string(got[0].Bytes) != document {
		t.Errorf("%s has %q at version %d, want %q at %d", user, got[0].Bytes, got[0].Version, document, version)
	}
}

// checkLog fails the test unless each user's log has the versions 1 to n without a
// gap, and the last one's document is the current one.
func checkLog(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	var wrong int
	err := conn.QueryRow(t.Context(), `
		select count(*) from settings s left join (
			select user_id, count(*) n, min(version) low, max(version) high, count(distinct operation_id) ids,
			       (array_agg(document::text order by version desc))[1] document
			from settings_log group by user_id) l using (user_id)
		where s.version > 0 and (l.n, l.low, l.high, l.ids, l.document)
		      is distinct from (s.version, 1, s.version, s.version, s.document::text)`).Scan(&wrong)
	if err != nil {
		t.Fatal(err)
	}
	if wrong > 0 {
		t.Errorf("%d users whose log does not agree with their document", wrong)
	}
}

func TestReadAndWrite(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	check(t, s, "nobody", 0, "{}")

	document := " {\"b\":1.10,\n\"a\":9007199254740993,\"c\":\"\\u0000\"} "
	written := s.Write(t.Context(), []store.Write{
		replace(t, "日本", "1", document),
		replace(t, "' or 1=1 --", "1", `{"x":"y"}`),
		replace(t, "ann@example.org", "1", `{"x":1}`),
	})
	for i, w := range written {
		if w.Err != nil || w.Version != 1 || w.Replayed {
			t.Errorf("write %d: %+v", i, w)
		}
	}
	check(t, s, "日本", 1, document)
	check(t, s, "' or 1=1 --", 1, `{"x":"y"}`)

	got, err := s.Read(t.Context(), []string{"ann@example.org", "nobody", "ann@example.org"})
	if err != nil || len(got) != 3 || string(got[0].Bytes) != `{"x":1}` || string(got[1].Bytes) != `{}` || string(got[2].Bytes) != `{"x":1}` {
		t.Errorf("read %v, %v", got, err)
	}
	checkLog(t, connect(t, url))
}

// TestSameUserInOneBatch: applied in order of arrival, each with its own version.
func TestSameUserInOneBatch(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	var writes []store.Write
	for i := range 10 {
		writes = append(writes, replace(t, "ann", fmt.Sprint("a", i), fmt.Sprintf(`{"a":%d}`, i)))
		writes = append(writes, replace(t, "bob", fmt.Sprint("b", i), fmt.Sprintf(`{"b":%d}`, i)))
	}
	for i, w := range s.Write(t.Context(), writes) {
		if w.Err != nil || w.Version != int64(i/2+1) {
			t.Errorf("write %d: %+v", i, w)
		}
	}
	check(t, s, "ann", 10, `{"a":9}`)
	check(t, s, "bob", 10, `{"b":9}`)
	checkLog(t, connect(t, url))
}

// TestRepeated: an id that was applied gets its first answer, whatever came since,
// in a later batch and in the same one. Another write under the same id is refused.
func TestRepeated(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	first := replace(t, "ann", "id", `{"n":1}`)
	for i, w := range s.Write(t.Context(), []store.Write{first, first, replace(t, "bob", "id", `{"n":1}`)}) {
		if w.Err != nil || w.Version != 1 || w.Replayed != (i == 1) {
			t.Errorf("write %d: %+v", i, w)
		}
	}
	s.Write(t.Context(), []store.Write{replace(t, "ann", "other", `{"n":2}`)})

	late := first
	late.Deadline = time.Now().Add(-time.Hour) // what was applied in time stays so
	written := s.Write(t.Context(), []store.Write{late, replace(t, "ann", "id", `{"n":3}`)})
	if w := written[0]; w.Err != nil || w.Version != 1 || !w.Replayed {
		t.Errorf("the repetition: %+v", w)
	}
	if err := written[1].Err; !errors.Is(err, store.ErrIDReused) {
		t.Errorf("another write with the same id: %v", err)
	}
	check(t, s, "ann", 2, `{"n":2}`)
	checkLog(t, connect(t, url))
}

func TestDeadline(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	late, early := replace(t, "ann", "1", `{}`), replace(t, "ann", "2", `{"n":1}`)
	late.Deadline = time.Now().Add(-time.Second)
	early.Deadline = time.Now().Add(time.Hour)
	written := s.Write(t.Context(), []store.Write{late, early})
	if !errors.Is(written[0].Err, store.ErrExpired) {
		t.Errorf("after its deadline: %+v", written[0])
	}
	if written[1].Err != nil || written[1].Version != 1 {
		t.Errorf("before its deadline: %+v", written[1])
	}
	checkLog(t, connect(t, url))
}

// TestPausedPastDeadline: a worker that is stopped between locking and committing, and goes on
// after the deadline, applies nothing: the change takes longer than its write has.
func TestPausedPastDeadline(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	slow := replace(t, "ann", "1", `{"n":1}`)
	slow.Deadline = time.Now().Add(300 * time.Millisecond)
	slow.Change = func([]byte) ([]byte, error) {
		time.Sleep(time.Until(slow.Deadline) + 50*time.Millisecond)
		return []byte(`{"n":1}`), nil
	}
	written := s.Write(t.Context(), []store.Write{replace(t, "bob", "1", `{"n":2}`), slow})
	if !errors.Is(written[1].Err, store.ErrExpired) {
		t.Errorf("the slow write: %+v", written[1])
	}
	if written[0].Err != nil || written[0].Version != 1 {
		t.Errorf("its neighbour: %+v", written[0])
	}
	check(t, s, "ann", 0, "{}")
	check(t, s, "bob", 1, `{"n":2}`)
	checkLog(t, connect(t, url))
}

// TestNeighboursOfABadOne: what Postgres refuses, and what the domain refuses, fails alone.
func TestNeighboursOfABadOne(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	refused := errors.New("refused")
	var writes []store.Write
	for i := range 20 {
		writes = append(writes, replace(t, fmt.Sprint("user", i), "id", `{"n":1}`))
	}
	writes[7].Change = func([]byte) ([]byte, error) { return nil, refused }
	writes[13].Change = func([]byte) ([]byte, error) { return []byte(`{"not json`), nil }
	for i, w := range s.Write(t.Context(), writes) {
		switch i {
		case 7:
			if !errors.Is(w.Err, refused) {
				t.Errorf("write 7: %+v", w)
			}
		case 13:
			if w.Err == nil || errors.Is(w.Err, store.ErrUnavailable) || errors.Is(w.Err, store.ErrOutcomeUnknown) {
				t.Errorf("write 13: %+v", w)
			}
		default:
			if w.Err != nil || w.Version != 1 {
				t.Errorf("write %d: %+v", i, w)
			}
		}
	}
	check(t, s, "user7", 0, "{}")
	check(t, s, "user13", 0, "{}")
	checkLog(t, connect(t, url))
}

// TestLockedRows: someone holds a few rows of a large batch; their writes are refused for
// now, all others are done.
func TestLockedRows(t *testing.T) {
	t.Parallel()
	s, url := open(t)
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
		if _, err := tx.Exec(t.Context(), `select from settings where user_id = $1 for update`, writes[i].User); err != nil {
			t.Fatal(err)
		}
	}
	for i := range writes {
		writes[i] = replace(t, writes[i].User, "2", `{"n":2}`)
	}
	replayed := replace(t, "user17", "1", `{}`) // answered from the log, which nobody holds
	// As long as a worker gives a batch; waiting for one row after the other exceeds it.
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	written := s.Write(ctx, append(writes, replayed))
	if w := written[512]; w.Err != nil || w.Version != 1 || !w.Replayed {
		t.Errorf("the repetition for a held row: %+v", w)
	}
	for i, w := range written[:512] {
		switch {
		case held[i] && !errors.Is(w.Err, store.ErrUnavailable):
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
	s, url := open(t)
	s.Write(t.Context(), []store.Write{replace(t, "a", "1", `{}`), replace(t, "b", "1", `{}`)})
	holder, deleter := connect(t, url), connect(t, url)
	tx, err := holder.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `select from settings where user_id in ('a', 'b') for update`); err != nil {
		t.Fatal(err)
	}
	written := make(chan []store.Written)
	go func() {
		written <- s.Write(t.Context(), []store.Write{replace(t, "a", "2", `{}`), replace(t, "b", "2", `{}`)})
	}()
	for waiting := false; !waiting; { // until the writer waits for its rows
		if err := deleter.QueryRow(t.Context(), `
			select count(*) > 0 from pg_stat_activity
			where datname = current_database() and wait_event_type = 'Lock'`).Scan(&waiting); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := tx.Exec(t.Context(), `delete from settings where user_id = 'b'; delete from settings_log where user_id = 'b'`); err != nil {
		t.Fatal(err)
	}
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

// TestTwoWorkers: two stores write to the same few users in batches of random order; every
// write counts once, and nothing deadlocks.
func TestTwoWorkers(t *testing.T) {
	t.Parallel()
	a, url := open(t)
	const rounds, users = 40, 8
	var wg sync.WaitGroup
	for n, s := range []*store.Store{a, a, reopen(t, url), reopen(t, url)} {
		wg.Go(func() {
			for round := range rounds {
				var writes []store.Write
				for _, u := range rand.Perm(users) {
					writes = append(writes, replace(t, fmt.Sprint("user", u), fmt.Sprint(n, "/", round), fmt.Sprintf(`{"by":%d,"in":%d}`, n, round)))
				}
				for i, w := range s.Write(t.Context(), writes) {
					if w.Err != nil {
						t.Errorf("worker %d, round %d, write %d: %v", n, round, i, w.Err)
					}
				}
			}
		})
	}
	wg.Wait()
	got, err := a.Read(t.Context(), []string{"user0", "user7"})
	if err != nil || got[0].Version != 4*rounds || got[1].Version != 4*rounds {
		t.Errorf("versions %d and %d, want %d (%v)", got[0].Version, got[1].Version, 4*rounds, err)
	}
	checkLog(t, connect(t, url))
}

// TestNewUsersRaced: several workers write to users that none of them has seen before, with
// the same operation ids, as it happens when a request is asked again elsewhere.
func TestNewUsersRaced(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	const racers, users = 4, 50
	var wg sync.WaitGroup
	outcomes := make([][]store.Written, racers)
	for n := range racers {
		racer := reopen(t, url)
		wg.Go(func() {
			var writes []store.Write
			for _, u := range rand.Perm(users) {
				writes = append(writes, replace(t, fmt.Sprintf("user%02d", u), "same", `{"n":1}`))
			}
			outcomes[n] = racer.Write(t.Context(), writes)
		})
	}
	wg.Wait()
	applied := 0
	for _, o := range outcomes {
		for _, w := range o {
			if w.Err != nil || w.Version != 1 {
				t.Errorf("%+v", w)
			}
			if !w.Replayed {
				applied++
			}
		}
	}
	if applied != users {
		t.Errorf("%d writes say that they were the first, want %d", applied, users)
	}
	check(t, s, "user00", 1, `{"n":1}`)
	checkLog(t, connect(t, url))
}

func TestBigDocuments(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	var (
		writes []store.Write
		users  []string
	)
	for i := range 64 {
		users = append(users, fmt.Sprint("user", i))
		writes = append(writes, replace(t, users[i], "1", `{"x":"`+strings.Repeat(string(rune('a'+i%26)), 65_000)+`"}`))
	}
	for i, w := range s.Write(t.Context(), writes) {
		if w.Err != nil {
			t.Errorf("write %d: %v", i, w.Err)
		}
	}
	got, err := s.Read(t.Context(), users)
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range got {
		if !bytes.Equal(d.Bytes, writes[i].Fingerprint) {
			t.Errorf("document %d came back changed, %d bytes", i, len(d.Bytes))
		}
	}
	checkLog(t, connect(t, url))
}

// TestNoScans: statements that were planned when the tables were empty go on finding
// their rows by key when there are many.
func TestNoScans(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	for batch := range 20 {
		var (
			writes []store.Write
			users  []string
		)
		for i := range 100 {
			users = append(users, fmt.Sprint(batch, "/", i))
			writes = append(writes, replace(t, users[i], "1", `{}`))
		}
		s.Write(t.Context(), writes)
		if _, err := s.Read(t.Context(), users); err != nil {
			t.Fatal(err)
		}
	}
	s.Close() // the connections report their figures when they end
	conn := connect(t, url)
	for deadline := time.Now().Add(20 * time.Second); ; {
		var scans, lookups int
		err := conn.QueryRow(t.Context(), `
			select sum(seq_scan), sum(idx_scan) from pg_stat_user_tables where relname in ('settings', 'settings_log')`).Scan(&scans, &lookups)
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("no figures: %v", err)
		}
		if lookups < 20*100 {
			continue
		}
		if scans > 3 { // each index that was created counts as one
			t.Errorf("%d scans of a whole table", scans)
		}
		return
	}
}

// TestConnectionsCut: Postgres drops the connections again and again, between and in the
// middle of transactions. No write is lost, none is applied twice.
func TestConnectionsCut(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	meddler := connect(t, url)
	done := make(chan struct{})
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
					break
				}
				if !errors.Is(err, store.ErrUnavailable) && !errors.Is(err, store.ErrOutcomeUnknown) {
					t.Errorf("write %d: %v", n, err)
					return
				}
			}
		}
	}()
	for cuts := 0; ; {
		select {
		case <-done:
			check(t, s, "ann", writes, fmt.Sprintf(`{"n":%d}`, writes-1))
			checkLog(t, meddler)
			t.Logf("connections were cut %d times", cuts)
			return
		default:
			var cut int // now and then a write gets through: a few of them fit between two cuts
			err := meddler.QueryRow(t.Context(), `
				select count(pg_terminate_backend(pid)) from pg_stat_activity, pg_sleep(0.005)
				where application_name = 'outset-worker' and datname = current_database() and state <> 'idle'`).Scan(&cut)
			if err != nil {
				t.Fatal(err)
			}
			cuts += cut
		}
	}
}

// TestUnavailable: a database that is not there is a definite no.
func TestUnavailable(t *testing.T) {
	t.Parallel()
	s, err := store.Open(t.Context(), "postgres://nobody@127.0.0.1:1/none", 2)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if w := s.Write(t.Context(), []store.Write{replace(t, "ann", "1", `{}`)}); !errors.Is(w[0].Err, store.ErrUnavailable) {
		t.Errorf("Write: %v", w[0].Err)
	}
	if _, err := s.Read(t.Context(), []string{"ann"}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Read: %v", err)
	}
	if err := s.Ping(t.Context()); err == nil {
		t.Error("Ping succeeded")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := store.MigrateWhenReachable(ctx, "postgres://nobody@127.0.0.1:1/none", slog.New(slog.DiscardHandler)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("MigrateWhenReachable: %v, want it to try until the end", err)
	}
	if _, err := store.Open(t.Context(), "postgres://host:port/", 2); err == nil {
		t.Error("a malformed address was taken")
	}
}

// TestMigrate: many programs at once, again, on a schema that is newer, and on a
// database with the wrong encoding.
func TestMigrate(t *testing.T) {
	t.Parallel()
	url := pgtest.ForTest(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := store.Migrate(t.Context(), url); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s := reopen(t, url)
	if w := s.Write(t.Context(), []store.Write{replace(t, "ann", "1", `{"n":1}`)}); w[0].Err != nil {
		t.Fatal(w[0].Err)
	}
	conn := connect(t, url)
	if _, err := conn.Exec(t.Context(), `
		insert into goose_db_version (version_id, is_applied) values (99, true);
		alter table settings add column from_the_future int`); err != nil {
		t.Fatal(err)
	}
	if err := store.Migrate(t.Context(), url); err != nil {
		t.Errorf("an old program on a new schema: %v", err)
	}
	check(t, s, "ann", 1, `{"n":1}`)

	other, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	latin1 := "latin1_" + other.Database
	if _, err := conn.Exec(t.Context(), "create database "+latin1+" encoding 'LATIN1' template template0 locale 'C'"); err != nil {
		t.Fatal(err)
	}
	bad := strings.Replace(url, other.Database, latin1, 1)
	if err := store.Migrate(t.Context(), bad); err == nil || !strings.Contains(err.Error(), "UTF8") {
		t.Errorf("a LATIN1 database: %v", err)
	}
	if err := store.MigrateWhenReachable(t.Context(), strings.Replace(url, other.Database, "missing", 1), slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a missing database was migrated")
	}
}
