package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/outset-settings/outset/pkg/store"
)

// TestNoScans: statements that were planned when the tables were empty still find their rows by key
// when there are many.
func TestNoScans(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	conn := connect(t, url)
	for batch := range 20 {
		var (
			writes, more []store.Write
			plain        []store.Write // all of them replacements of users who are there
			reads        []store.Read
		)
		for i := range 100 {
			user := fmt.Sprint(batch, "/", i)
			writes = append(writes, replace(t, user, "1", `{}`), restore(user, "2", 1))
			plain = append(plain, replace(t, user, "plain", `{}`))
			if i%2 == 0 { // the others keep what they have
				more = append(more, restore(user, "3", 1), erase(user, "4"), remove(user, "5"),
					restore(user, "6", 6))
			}
			reads = append(reads, store.Read{User: user}, store.Read{User: user, Version: 1},
				store.Read{User: user, History: &store.Page{Limit: 10}})
		}
		write(t, s, writes...)
		write(t, s, plain...)
		read(t, s, reads...)
		read(t, s, store.Read{User: "0/0", Schema: true}, store.Read{User: "0/0", Number: true},
			store.Read{List: &store.List{Limit: 10, Bytes: 1000, Whole: true}}, store.Read{
				List: &store.List{Limit: 10, Bytes: 1000, Since: time.Now()},
			})
		write(t, s, more...)
		read(t, s, reads...)
		prune(t, s, conn, store.Retention{})
	}
	s.Close() // the connections report their figures when they end
	for deadline := time.Now().Add(store.Patient); ; {
		var scans, lookups int
		err := conn.QueryRow(t.Context(), `
			select sum(seq_scan), sum(idx_scan)
			from pg_stat_user_tables
			where relname in ('settings', 'settings_log')`).Scan(&scans, &lookups)
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("no figures: %v", err)
		}
		if lookups < 20*100 {
			continue
		}
		if scans > 4 { // each index that was created counts as one
			t.Errorf("%d scans of a whole table", scans)
		}
		return
	}
}
