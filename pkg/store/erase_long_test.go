package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/outset-settings/outset/internal/settings"
	"github.com/outset-settings/outset/pkg/store"
)

// fillHistory gives a user this many versions of such a document. Their ids are their numbers.
func fillHistory(t *testing.T, conn *pgx.Conn, user string, versions int, document string) {
	t.Helper()
	exec(t, conn, `
		insert into settings (user_id, version, document, updated_at)
		values ($1, $2, $3::text::json, now())`, user, versions, document)
	exec(t, conn, `
		insert into settings_log (user_id, version, operation_id, fingerprint, operation, created,
		                          document, size, applied_at)
		select $1, v, v, $3::text::bytea, 'replace', false, $3::text::json,
		       octet_length($3::text), now()
		from generate_series(1, $2::int) v`, user, versions, document)
}

// logged returns how many rows the log has of a user.
func logged(t *testing.T, conn *pgx.Conn, user string) (n int64) {
	t.Helper()
	err := conn.QueryRow(t.Context(), `select count(*) from settings_log where user_id = $1`,
		user).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// pruneErased takes steps that are not due for anything but erased rows, until there are none. It
// returns the most rows that one of them removed, and how many all did.
func pruneErased(t *testing.T, s *store.Store, conn *pgx.Conn) (most, removed int64) {
	t.Helper()
	exec(t, conn,
		`update settings_pruning set due = clock_timestamp() + interval '1 hour' where id = 1`)
	for {
		n, next, err := s.Prune(t.Context(), store.Retention{Versions: 100, Age: day})
		if err != nil {
			t.Fatal(err)
		}
		most, removed = max(most, n), removed+n
		if next > time.Minute {
			return most, removed
		}
	}
}

const (
	longHistory = 20_000
	mostRemoved = 1000 // rows of one statement
)

// TestEraseLongHistory: an erasure takes a bounded number of rows with it and leaves the rest to
// later steps, each of which is bounded, too, and may be another worker's. From its commit on
// nothing of the user can be seen. Writes of others in its batch succeed.
func TestEraseLongHistory(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	conn := connect(t, url)
	fillHistory(t, conn, "gina", longHistory, `{"secret":1}`)
	writes := []store.Write{wrap("ann", "1"), erase("gina", "e"), replace(t, "bob", "1", `{}`)}
	written := write(t, s, writes...)
	if left := logged(t, conn, "gina"); left < longHistory-mostRemoved {
		t.Errorf("the erasure removed %d rows at once", longHistory-left)
	}
	isErased := func(when string) {
		t.Helper()
		check(t, s, "gina", longHistory+1, "")
		hasVersions(t, s, "gina")
		for _, version := range []int64{1, longHistory, longHistory + 1} {
			f := read(t, s, store.Read{User: "gina", Version: version})[0]
			if !errors.Is(f.Err, settings.ErrNotFound) || f.Bytes != nil {
				t.Errorf("%s: version %d: %+v", when, version, f)
			}
			again := restore("gina", fmt.Sprint("r", version), version)
			if w := s.Write(t.Context(), []store.Write{again})[0]; !errors.Is(w.Err,
				settings.ErrNotFound) {
				t.Errorf("%s: restoring version %d: %+v", when, version, w)
			}
		}
		for _, id := range []string{"1", "19999"} {
			late := issued(replace(t, "gina", id, `{"secret":1}`), time.Now().Add(-time.Hour))
			if w := s.Write(t.Context(), []store.Write{late})[0]; w.Bytes != nil ||
				!errors.Is(w.Err, store.ErrUnavailable) {
				t.Errorf("%s: a repetition of write %s: %+v", when, id, w)
			}
		}
		isReplay(t, when, write(t, s, erase("gina", "e"))[0], written[1])
	}
	isErased("at once")
	s.Close() // the worker dies

	s = reopen(t, url)
	isErased("with another worker")
	left := logged(t, conn, "gina") - 1
	if most, removed := pruneErased(t, s, conn); most > mostRemoved || removed != left {
		t.Errorf("%d of %d rows removed, up to %d in one step", removed, left, most)
	}
	if n := logged(t, conn, "gina"); n != 1 {
		t.Errorf("%d rows are left, want that of the erasure", n)
	}
	isErased("in the end")
	checkLog(t, conn)
}

// TestEraseShortHistory: of a user with an ordinary history nothing is left with the commit.
func TestEraseShortHistory(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	conn := connect(t, url)
	fillHistory(t, conn, "ann", mostRemoved, `{"secret":1}`)
	write(t, s, erase("ann", "e"))
	if n := logged(t, conn, "ann"); n != 1 {
		t.Errorf("%d rows are left, want that of the erasure", n)
	}
	if _, removed := pruneErased(t, s, conn); removed != 0 {
		t.Errorf("%d rows removed later", removed)
	}
	checkLog(t, conn)
}

// TestEraseLargeDocuments: steps are bounded in bytes, too.
func TestEraseLargeDocuments(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	conn := connect(t, url)
	const versions, size = 300, 64 << 10
	const most = 4<<20/size + 1
	fillHistory(t, conn, "ann", versions, `{"s":"`+strings.Repeat("-", size-8)+`"}`)
	write(t, s, erase("ann", "e"))
	left := logged(t, conn, "ann") - 1
	if left < versions-most {
		t.Errorf("the erasure removed %d rows at once", versions-left)
	}
	if n, removed := pruneErased(t, s, conn); n > most || removed != left {
		t.Errorf("%d of %d rows removed, up to %d in one step", removed, left, n)
	}
	checkLog(t, conn)
}

// TestEraseManyLongHistories: the bound is that of a statement, not of a user.
func TestEraseManyLongHistories(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	conn := connect(t, url)
	fill(t, conn, 20, 400)
	var erasures []store.Write
	for u := range 20 {
		erasures = append(erasures, erase(fmt.Sprintf("user%05d", u+1), "e"))
	}
	write(t, s, erasures...)
	var left int64
	err := conn.QueryRow(t.Context(), `
		select count(*) from settings_log where operation <> 'erase'`).Scan(&left)
	if err != nil || left < 20*400-mostRemoved {
		t.Errorf("%d rows removed at once, %v", 20*400-left, err)
	}
	if most, removed := pruneErased(t, s, conn); most > mostRemoved || removed != left {
		t.Errorf("%d of %d rows removed, up to %d in one step", removed, left, most)
	}
	checkLog(t, conn)
}

// TestWriteAfterErasure: while erased rows are still in the log, a user who is written again has
// what was written since, even under the ids of old, and can be erased again.
func TestWriteAfterErasure(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	conn := connect(t, url)
	fillHistory(t, conn, "ann", longHistory, `{"secret":1}`)
	const last = longHistory + 1 // the version of the erasure
	inSame := write(t, s, erase("ann", "e"), wrap("ann", "15000"))[1]
	isDocument(t, "in the erasure's batch", inSame.Document, last+1, `{"was":{}}`)

	unkeyed := replace(t, "ann", "15002", `{"n":2}`)
	unkeyed.Keyed = false
	for i, w := range []store.Write{
		replace(t, "ann", "15001", `{"n":1}`), unkeyed, remove("ann", "15003"),
	} {
		first := write(t, s, w)[0]
		if first.Replayed || first.Version != int64(last+2+i) {
			t.Errorf("write %d under an id of old: %+v", i, first)
		}
		isReplay(t, fmt.Sprint("write ", i), write(t, s, w)[0], first)
	}
	hasVersions(t, s, "ann", last+4, last+3, last+2, last+1)

	again := write(t, s, erase("ann", "again"))[0]
	hasVersions(t, s, "ann")
	if _, removed := pruneErased(t, s, conn); removed < longHistory-mostRemoved-4 {
		t.Errorf("%d rows removed", removed)
	}
	isReplay(t, "the second erasure", write(t, s, erase("ann", "again"))[0], again)
	if first := write(t, s, erase("ann", "e"))[0]; !first.Replayed || first.Version != last {
		t.Errorf("the first erasure: %+v", first)
	}
	if n := logged(t, conn, "ann"); n != 2 {
		t.Errorf("%d rows are left, want those of the erasures", n)
	}
	checkLog(t, conn)
}
