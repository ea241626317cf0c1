package store_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/outset-settings/outset/internal/localpg/pgtest"
	"github.com/outset-settings/outset/internal/settings"
	"github.com/outset-settings/outset/pkg/store"
)

// TestBesideEarlierWorkers: while workers are replaced one by one those of before and those of now
// share the tables, and each sees what the other did.
func TestBesideEarlierWorkers(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	conn := connect(t, url)
	earlier := func(id, document string, want int64) {
		t.Helper()
		if version, replayed, err := earlierWrite(t.Context(), conn, "ann", id,
			document); version != want || replayed || err != nil {
			t.Fatalf("written by an earlier worker: version %d, replayed %v, %v; want %d", version,
				replayed, err, want)
		}
		check(t, s, "ann", want, document)
	}
	both := func(version int64, document string) {
		t.Helper()
		check(t, s, "ann", version, document)
		if document == "" {
			document = "{}" // the earlier ones know no other way to say it
		}
		if v, d := earlierRead(t, conn, "ann"); v != version || d != document {
			t.Errorf("an earlier worker reads %q at version %d, want %q at %d", d, v, document,
				version)
		}
	}

	earlier("1", `{"n":1}`, 1)
	write(t, s, replace(t, "ann", "2", `{"n":2}`))
	both(2, `{"n":2}`)
	write(t, s, remove("ann", "3"))
	both(3, "")
	earlier("4", `{"n":4}`, 4) // what was deleted is there again
	both(4, `{"n":4}`)
	if w := write(t, s, replace(t, "ann", "4", `{"n":4}`))[0]; !w.Replayed || w.Created || !w.Modified.Equal(read(t, s, store.Read{User: "ann", Version: 4})[0].Modified) {
		t.Errorf("a repetition of what an earlier worker did: %+v", w)
	}
	if version, replayed, err := earlierWrite(t.Context(), conn, "ann", "2", `{"n":2}`); version != 2 || !replayed || err != nil {
		t.Errorf("a repetition at an earlier worker: version %d, replayed %v, %v", version,
			replayed, err)
	}
	write(t, s, onlyIf(restore("ann", "5", 1),
		settings.Condition{Match: &settings.Versions{Any: true}}))
	both(5, `{"n":1}`)
	write(t, s, erase("ann", "6"))
	both(6, "")
	earlier("7", `{"n":7}`, 7)
	hasVersions(t, s, "ann", 7)
	write(t, s, erase("ann", "6")) // replays
	both(7, `{"n":7}`)
	checkLog(t, conn)
	age(t, conn, "ann", 99, 2*day)
	prune(t, s, conn, store.Retention{Age: day})
	both(7, `{"n":7}`)
	earlier("8", `{"n":8}`, 8)
	checkPrunedLog(t, conn)
}

// TestEarlierData: what was written before the migration is all there after it.
func TestEarlierData(t *testing.T) {
	t.Parallel()
	url := pgtest.ForTest(t)
	conn := connect(t, url)
	earlierSchema(t, conn)
	for n := range 3 {
		if _, _, err := earlierWrite(t.Context(), conn, "ann", fmt.Sprint(n), fmt.Sprintf(`{"n":%d}`, n+1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	s := reopen(t, url)
	check(t, s, "ann", 3, `{"n":3}`)
	hasVersions(t, s, "ann", 3, 2, 1)
	if e := read(t, s, store.Read{
		User:    "ann",
		History: &store.Page{Limit: 1},
	})[0].Entries[0]; e.Size != 7 {
		t.Errorf("an entry of before: %+v", e)
	}
	first := read(t, s, store.Read{User: "ann", Version: 1})[0].Document
	w := write(t, s, replace(t, "ann", "0", `{"n":1}`))[0]
	if !w.Replayed || !reflect.DeepEqual(w.Document, first) {
		t.Errorf("a repetition: %+v, want %+v", w, first)
	}
	write(t, s, restore("ann", "restore", 1))
	check(t, s, "ann", 4, `{"n":1}`)
	if _, _, err := earlierWrite(t.Context(), conn, "ann", "5", `{"n":5}`); err != nil { // one that is still running
		t.Fatal(err)
	}
	check(t, s, "ann", 5, `{"n":5}`)
	checkLog(t, conn)
}

// TestEarlierAndNewWorkers write to the same users at the same time, in any order.
func TestEarlierAndNewWorkers(t *testing.T) {
	t.Parallel()
	a, url := open(t)
	const rounds, users = 40, 5
	var wg sync.WaitGroup
	for n, s := range []*store.Store{a, reopen(t, url)} {
		wg.Go(func() {
			for round := range rounds {
				var writes []store.Write
				for _, u := range rand.Perm(users) {
					user, id := fmt.Sprint("user", u), fmt.Sprint("new", n, "/", round)
					kinds := []store.Write{replace(t, user, id, `{}`), remove(user, id), wrap(user, id), erase(user, id)}
					writes = append(writes, kinds[rand.IntN(len(kinds))])
				}
				persist(t, s, writes)
			}
		})
	}
	for n := range 2 {
		conn := connect(t, url)
		wg.Go(func() {
			for round := range rounds * users {
				user := fmt.Sprint("user", rand.IntN(users))
				if _, _, err := earlierWrite(t.Context(), conn, user, fmt.Sprint("earlier", n, "/", round), strings.Repeat(" ", n)+`{}`); err != nil {
					t.Errorf("round %d: %v", round, err)
				}
			}
		})
	}
	wg.Wait()
	checkLog(t, connect(t, url))
}
