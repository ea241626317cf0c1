package store_test

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/outset-settings/outset/internal/settings"
	"github.com/outset-settings/outset/pkg/store"
)

// incompressible returns a document of 64 KB.
func incompressible() string {
	var text []byte
	for len(text) < 64<<10-32 {
		text = append(text, rand.Text()...)
	}
	return fmt.Sprintf(`{"text":%q}`, text)
}

// onDisk returns the bytes of both tables, dead rows included.
func onDisk(t testing.TB, conn *pgx.Conn) (bytes int64) {
	t.Helper()
	err := conn.QueryRow(t.Context(), `
		select pg_total_relation_size('settings') + pg_total_relation_size('settings_log')`,
	).Scan(&bytes)
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}

// replaceLarge is replace with a fingerprint that is none of the document's bytes.
func replaceLarge(t testing.TB, user, id, document string) store.Write {
	t.Helper()
	w := replace(t, user, id, document)
	w.Fingerprint = []byte(id)
	return w
}

// sharers are all kinds of writes that change nothing.
func sharers(t testing.TB, document string) []func(user, id string, version int64) store.Write {
	t.Helper()
	replaced := func(user, id string, _ int64) store.Write {
		return replaceLarge(t, user, id, document)
	}
	return []func(user, id string, version int64) store.Write{
		replaced, restore, func(user, id string, version int64) store.Write {
			return changing(replaced(user, id, version), func(is []byte) (settings.Next, error) {
				return settings.Next{Document: is}, nil
			})
		},
	}
}

// TestUnchangedIsNotCopied: writes that change nothing make versions, each with its document, its
// answer and its repetition, and no copies of the document.
func TestUnchangedIsNotCopied(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	conn := connect(t, url)
	const each, users = 5, 10 // enough for a statement of replacements
	document := incompressible()
	var first, all []store.Write
	for u := range users {
		first = append(first, replaceLarge(t, fmt.Sprint("user", u), "1", document))
	}
	write(t, s, first...)
	exec(t, conn, `vacuum settings`) // makes the map of its free space
	before := onDisk(t, conn)
	version := int64(1)
	for range each {
		for _, sharer := range sharers(t, document) {
			var batch []store.Write
			for u := range users {
				batch = append(batch, sharer(fmt.Sprint("user", u), fmt.Sprint("n", version), version))
			}
			version++
			for i, w := range write(t, s, batch...) {
				isDocument(t, batch[i].User, w.Document, version, document)
			}
			all = append(all, batch...)
		}
	}
	if more := onDisk(t, conn) - before; more > int64(len(all))*1024 {
		t.Errorf("%d writes of %d bytes have added %d", len(all), len(document), more)
	}
	checkLog(t, conn)
	change := replace(t, "user0", "change", `{}`)
	write(t, s, change)
	for v := int64(1); v <= version; v++ {
		hasDocument(t, s, "user0", v, document, true)
	}
	other := reopen(t, url)
	want := int64(1)
	for batch := range slices.Chunk(all, users) { // with no more bytes than those of a worker
		want++
		for i, w := range write(t, other, batch...) {
			if !w.Replayed || string(w.Bytes) != document || w.Version != want {
				t.Fatalf("%s of %s, again: version %d", batch[i].ID, batch[i].User, w.Version)
			}
		}
	}
	isDocument(t, "restored", write(t, s, restore("user0", "back", 7))[0].Document, version+2,
		document)
	checkLog(t, conn)
}

// TestSharedWithinBatch: in one batch a user's document is changed, left as it is, deleted and made
// again.
func TestSharedWithinBatch(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	one, two := incompressible(), incompressible()
	is := []string{one, one, two, two, one, one, "", one, one}
	var batch []store.Write
	for n, document := range is {
		if id := fmt.Sprint(n); document == "" {
			batch = append(batch, remove("ann", id))
		} else {
			batch = append(batch, replaceLarge(t, "ann", id, document))
		}
	}
	write(t, s, batch...)
	check(t, s, "ann", int64(len(is)), one)
	for n, document := range is {
		hasDocument(t, s, "ann", int64(n+1), document, true)
	}
	conn := connect(t, url)
	checkLog(t, conn)
	if n := held(t, conn, "ann"); n > 5*int64(len(one)) {
		t.Errorf("%d bytes, want four documents", n)
	}
}

// TestPruneShared: a version is kept for as long as one that is kept shares its document, and no
// more than sharedVersions of them.
func TestPruneShared(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	conn := connect(t, url)
	document := incompressible()
	write(t, s, replaceLarge(t, "ann", "1", `{}`))
	var batch []store.Write
	for n := range 3*store.SharedVersions + 20 - 1 {
		batch = append(batch, replaceLarge(t, "ann", fmt.Sprint("n", n), document))
	}
	write(t, s, batch...)
	var own []int64
	rows, err := conn.Query(t.Context(),
		`select version from settings_log where document is not null order by version`)
	if err == nil {
		own, err = pgx.CollectRows(rows, pgx.RowTo[int64])
	}
	if err != nil || fmt.Sprint(own) != "[1 2 100 200 300]" {
		t.Errorf("documents of versions %v, %v", own, err)
	}
	for _, step := range []struct {
		keep   int
		oldest int64
	}{{319, 2}, {318, 2}, {221, 100}, {220, 100}, {30, 200}, {20, 300}, {1, 300}} {
		prune(t, s, conn, store.Retention{Versions: step.keep})
		var oldest int64
		err := conn.QueryRow(t.Context(), `select min(version) from settings_log`).Scan(&oldest)
		if err != nil || oldest != step.oldest {
			t.Errorf("of %d: the oldest is %d, want %d; %v", step.keep, oldest, step.oldest, err)
		}
		checkPrunedLog(t, conn)
		hasDocument(t, s, "ann", 320, document, true)
		hasDocument(t, s, "ann", 305, document, true)
	}
}

// TestPruneBesideShared: rows that stay because others share their document take no place from those
// that don't, however many they are.
func TestPruneBesideShared(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	conn := connect(t, url)
	document := `{"a":"` + strings.Repeat("x", 2<<10) + `"}`
	for u := range 25 {
		var batch []store.Write
		for n := range 60 {
			batch = append(batch, replaceLarge(t, fmt.Sprintf("user%02d", u), fmt.Sprint(u, "-", n), document))
		}
		write(t, s, batch...)
	}
	for n := range 60 {
		write(t, s, replaceLarge(t, "zz", fmt.Sprint("z", n), fmt.Sprintf(`{"n":%d}`, n)))
	}
	prune(t, s, conn, store.Retention{Versions: 10})
	for user, most := range map[string]int{"user00": 60, "zz": 10} {
		var n int
		err := conn.QueryRow(t.Context(), `select count(*) from settings_log where user_id = $1`, user).
			Scan(&n)
		if err != nil || n != most {
			t.Errorf("%s has %d versions, want %d; %v", user, n, most, err)
		}
	}
	checkPrunedLog(t, conn)
}

// TestPruneStepSeparatesNone: a step that ends before the last user's rows do leaves no version
// without the document that it shares.
func TestPruneStepSeparatesNone(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	conn := connect(t, url)
	document := `{"a":"` + strings.Repeat("x", 2<<10) + `"}`
	const users, each = 25, 60 // more than a step removes, which is no multiple of each
	for u := range users {
		user := fmt.Sprintf("user%02d", u)
		var batch []store.Write
		for n := range each {
			batch = append(batch, replaceLarge(t, user, fmt.Sprint(u, "-", n), document))
		}
		write(t, s, append(batch, replaceLarge(t, user, fmt.Sprint(u, "-last"), `{}`))...)
	}
	exec(t, conn, `update settings_pruning set due = clock_timestamp() where id = 1`)
	keep := store.Retention{Versions: 1}
	removed, _, err := s.Prune(t.Context(), keep)
	if err != nil || removed == 0 || removed == users*each {
		t.Fatalf("a step has removed %d versions, want some of them; %v", removed, err)
	}
	checkPrunedLog(t, conn)
	if _, rest := prune(t, s, conn, keep); removed+rest != users*each {
		t.Errorf("the walk has removed %d versions, want %d", removed+rest, users*each)
	}
}

// TestDropShared: a document that is dropped is dropped for all versions that share it, and neither
// those of an earlier life nor the current one are mistaken for it.
func TestDropShared(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	conn := connect(t, url)
	s.LimitHistory(100 << 10)
	secret, document, other := incompressible(), incompressible(), incompressible()
	holder := connect(t, url)
	write(t, s, replaceLarge(t, "ann", "secret", secret))
	// Somebody holds the row, so the erasure leaves it to Prune.
	tx, err := holder.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	exec(t, tx.Conn(), `select from settings_log for update`)
	write(t, s, erase("ann", "erase"))
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	write(t, s, replaceLarge(t, "ann", "3", document))
	write(t, s, restore("ann", "4", 3), restore("ann", "5", 4)) // all share one
	hasDocument(t, s, "ann", 4, document, true)
	hasDocument(t, s, "ann", 5, document, true)
	write(t, s, replaceLarge(t, "ann", "6", other)) // exceeds the budget
	for v := int64(3); v <= 5; v++ {
		hasDocument(t, s, "ann", v, "", false)
	}
	hasDocument(t, s, "ann", 6, other, true)
	// So soon after versions that were dropped nothing is shared.
	write(t, s, restore("ann", "7", 6))
	hasDocument(t, s, "ann", 7, other, true)
	prune(t, s, conn, store.Retention{Versions: 10, Age: day})
	hasVersions(t, s, "ann", 7, 6, 5, 4, 3)
	checkLog(t, conn)
}

// BenchmarkUnchanged writes a document of 64 KB again and again, as it is or changed, and reports
// what goes into the write-ahead log.
func BenchmarkUnchanged(b *testing.B) {
	documents := [2]string{incompressible(), incompressible()}
	for name, w := range map[string]func(id string, n int64) store.Write{
		"replace": func(id string, _ int64) store.Write {
			return replaceLarge(b, "ann", id, documents[0])
		},
		"replace-changed": func(id string, n int64) store.Write {
			return replaceLarge(b, "ann", id, documents[n%2])
		},
		"restore": func(id string, n int64) store.Write { return restore("ann", id, n) },
		"restore-changed": func(id string, n int64) store.Write {
			return restore("ann", id, n-1)
		},
	} {
		b.Run(name, func(b *testing.B) {
			s, url := open(b)
			conn := connect(b, url)
			s.LimitHistory(16 << 20)
			write(b, s, replaceLarge(b, "ann", "a", documents[0]), replaceLarge(b, "ann", "b", documents[1]))
			var from, to int64
			wal := `select pg_current_wal_insert_lsn() - '0/0'::pg_lsn`
			if err := conn.QueryRow(b.Context(), wal).Scan(&from); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for n := int64(2); b.Loop(); n++ {
				write(b, s, w(fmt.Sprintf("%012d", n), n))
			}
			if err := conn.QueryRow(b.Context(), wal).Scan(&to); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(to-from)/float64(b.N), "WAL-B/op")
		})
	}
}
