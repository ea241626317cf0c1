package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/outset-settings/outset/internal/localpg/pgtest"
	"github.com/outset-settings/outset/internal/settings"
	"github.com/outset-settings/outset/pkg/store"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// open returns a store on a new, migrated database, and the database's address. All stores have the
// role of a worker, so that nothing here needs more; the address is the superuser's.
func open(t testing.TB) (*store.Store, string) {
	t.Helper()
	url := pgtest.ForTest(t)
	pgtest.GiveRoles(t, url)
	if err := store.Migrate(t.Context(), pgtest.As(t, pgtest.Migrator, url)); err != nil {
		t.Fatal(err)
	}
	return reopen(t, url), url
}

// reopen returns another store on the same database, as another worker has one.
func reopen(t testing.TB, url string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), pgtest.As(t, pgtest.Worker, url), 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// openWith is reopen with other timeouts.
func openWith(t testing.TB, url string, timeouts store.Timeouts) *store.Store {
	t.Helper()
	s, err := store.OpenWith(t.Context(), pgtest.As(t, pgtest.Worker, url), timeouts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// becomes waits until a query, which has one value, returns true.
func becomes(t testing.TB, conn *pgx.Conn, query string, arguments ...any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), store.Patient)
	defer cancel()
	for is := false; !is; {
		err := conn.QueryRow(ctx, query, arguments...).Scan(&is)
		if err != nil {
			t.Errorf("waiting for %s: %v", query, err)
			return
		}
		if !is {
			time.Sleep(time.Millisecond)
		}
	}
}

// lockAwaited is whether a session of the database waits for a lock.
const lockAwaited = `
	select count(*) > 0
	from pg_stat_activity
	where datname = current_database() and wait_event_type = 'Lock'`

// connect returns a plain connection, to inspect the database and to interfere.
func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	return pgtest.Connect(t, url)
}

func replace(t testing.TB, user, id, document string) store.Write {
	t.Helper()
	if err := settings.DefaultLimits.Check([]byte(document)); err != nil {
		t.Fatal(err)
	}
	return store.Write{
		User: user, ID: id, Keyed: true, Fingerprint: []byte(document), Operation: "replace",
		Replace: []byte(document),
	}
}

// changing returns w, a replacement, as a write that applies a change of the test's own instead.
func changing(w store.Write, change settings.Change) store.Write {
	w.Replace, w.Change = nil, change
	return w
}

// remove, restore and erase are the other kinds of writes.

func remove(user, id string) store.Write {
	return store.Write{
		User: user, ID: id, Fingerprint: []byte("delete"), Operation: "delete",
		Change: settings.Delete,
	}
}

func restore(user, id string, version int64) store.Write {
	return store.Write{
		User: user, ID: id, Fingerprint: fmt.Append(nil, "restore ", version),
		Operation: "restore", Restore: version,
	}
}

func erase(user, id string) store.Write {
	return store.Write{
		User: user, ID: id, Fingerprint: []byte("erase"), Operation: "erase", Erase: true,
	}
}

// write applies writes that must succeed.
func write(t testing.TB, s *store.Store, writes ...store.Write) []store.Written {
	t.Helper()
	written := s.Write(t.Context(), writes)
	for i, w := range written {
		if w.Err != nil {
			t.Fatalf("write %d, %s of %s: %v", i, writes[i].Operation, writes[i].User, w.Err)
		}
	}
	return written
}

// saveAll writes a document for each user with this prefix and a number, so that there is something
// to delete.
func saveAll(t testing.TB, s *store.Store, prefix string, users int) {
	t.Helper()
	writes := make([]store.Write, users)
	for u := range writes {
		writes[u] = replace(t, fmt.Sprint(prefix, u), "first", `{}`)
	}
	write(t, s, writes...)
}

// persist applies writes that must succeed in the end: like the API, it retries those that fail
// because others hold the rows for long. Any goroutine may call it.
func persist(t testing.TB, s *store.Store, writes []store.Write) []store.Written {
	t.Helper()
	written := s.Write(t.Context(), writes)
	for i := range written {
		for errors.Is(written[i].Err, store.ErrUnavailable) && t.Context().Err() == nil {
			written[i] = s.Write(t.Context(), writes[i:i+1])[0]
		}
		if written[i].Err != nil {
			t.Errorf("write %d, %s of %s: %v", i, writes[i].Operation, writes[i].User,
				written[i].Err)
		}
	}
	return written
}

// current returns reads of the users' current documents.
func current(users ...string) []store.Read {
	reads := make([]store.Read, len(users))
	for i, user := range users {
		reads[i].User = user
	}
	return reads
}

// read returns the outcomes of reads that must succeed.
func read(t testing.TB, s *store.Store, reads ...store.Read) []store.Found {
	t.Helper()
	found, err := s.Read(t.Context(), reads)
	if err != nil || len(found) != len(reads) {
		t.Fatalf("%d of %d reads: %v", len(found), len(reads), err)
	}
	return found
}

// check fails the test unless the user's document and version are as wanted. The document
// "" stands for one that was deleted or never saved.
func check(t *testing.T, s *store.Store, user string, version int64, document string) {
	t.Helper()
	isDocument(t, user, read(t, s, current(user)...)[0].Document, version, document)
}

func isDocument(t *testing.T, what string, got store.Document, version int64, document string) {
	t.Helper()
	absent := document == ""
	if absent {
		document = settings.Empty
	}
	if got.Version != version || string(got.Bytes) != document || got.Absent != absent ||
		got.Modified.IsZero() != (version == 0) {
		t.Errorf("%s: %q, absent %v, at version %d of %v; want %q at %d", what, got.Bytes,
			got.Absent, got.Version, got.Modified, document, version)
	}
}

// checkLog fails the test unless the log has each user's versions from the last erasure to the
// current one, without a gap and each with an id, and agrees on the current document and on sizes.
// Of versions up to an erasure there may only be rows of erasures.
func checkLog(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	checkLogs(t, conn, false)
}

// checkPrunedLog is checkLog where old versions may have been removed.
func checkPrunedLog(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	checkLogs(t, conn, true)
}

func checkLogs(t *testing.T, conn *pgx.Conn, pruned bool) {
	t.Helper()
	var wrong int
	err := conn.QueryRow(t.Context(), `
		with log as ( -- rows of one run share a document, which the first one has
			select user_id, version, operation_id, size, document,
			       count(*) filter (where document is not null or size = 0)
			              over (partition by user_id order by version) run
			from settings_log
		), documents as (
			select user_id, version, operation_id, size, document is not null own,
			       first_value(document::text)
			           over (partition by user_id, run order by version) document,
			       first_value(version)
			           over (partition by user_id, run order by version) made
			from log
		), logs as (
			select user_id, count(*) n, min(l.version) low, max(l.version) high,
			       count(distinct operation_id) ids,
			       (array_agg(l.document order by l.version desc))[1] document,
			       max(l.made) made
			from documents l join settings s using (user_id)
			where l.version > coalesce(s.erased_version, 0)
			group by user_id)
		select count(*)
		from settings s left join logs l using (user_id)
		where s.version > coalesce(s.erased_version, 0)
		      and (l.n, l.high, l.ids) is distinct from (l.high - l.low + 1, s.version, l.n)
		   or s.version > coalesce(s.erased_version, 0)
		      and coalesce(s.dropped_version < l.made, true)
		      and l.document is distinct from s.document::text
		   or not $1 and l.low <> coalesce(s.erased_version, 0) + 1
		   or exists (select from documents t
		              where t.user_id = s.user_id and t.version <= s.erased_version
		                and t.document is not null)
		   or exists (select from documents t
		              where t.user_id = s.user_id
		                and case when t.made <= s.dropped_version then t.own
		                    else t.size <> coalesce(octet_length(t.document), 0) end)`,
		pruned).Scan(&wrong)
	if err != nil {
		t.Fatal(err)
	}
	if wrong > 0 {
		t.Errorf("%d users whose log does not agree with their document", wrong)
	}
}
