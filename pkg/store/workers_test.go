package store_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/outset-settings/outset/pkg/store"
)

// TestTwoWorkers: two stores write to the same few users in batches of random order. Every write is
// applied once, and nothing deadlocks.
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
					writes = append(writes, replace(t, fmt.Sprint("user", u),
						fmt.Sprint(n, "/", round), fmt.Sprintf(`{"by":%d,"in":%d}`, n, round)))
				}
				persist(t, s, writes)
			}
		})
	}
	wg.Wait()
	got, err := a.Read(t.Context(), current("user0", "user7"))
	if err != nil || got[0].Version != 4*rounds || got[1].Version != 4*rounds {
		t.Errorf("versions %d and %d, want %d (%v)", got[0].Version, got[1].Version, 4*rounds, err)
	}
	checkLog(t, connect(t, url))
}

// TestNewUsersRaced: several workers write to the same new users with the same operation ids, as
// when a request is sent again to another worker.
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
			outcomes[n] = persist(t, racer, writes)
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

// TestNoDeadlock: several workers write to the same users, old and new, in random order, both with
// the statements for replacements and with transactions that lock first. Each write is applied
// once, and Postgres finds no deadlock.
func TestNoDeadlock(t *testing.T) {
	t.Parallel()
	idle, url := open(t)
	idle.Close()
	conn := connect(t, url)
	// Far below the lock timeout, so that Postgres finds and counts every deadlock.
	exec(t, conn, `
		do $$ begin
			execute format('alter database %I set deadlock_timeout = 1', current_database());
		end $$`)
	const workers, rounds, users = 4, 30, 16
	var all sync.WaitGroup
	for n := range workers {
		s := reopen(t, url)
		all.Go(func() {
			defer s.Close() // its connections report their figures when they end
			for round := range rounds {
				var writes []store.Write
				for _, u := range rand.Perm(users) {
					// Half of the users are new in each round.
					user, id := fmt.Sprint("user", u, "/", round*(u%2)), fmt.Sprint(n, "/", round)
					if (n+round+u)%4 == 0 {
						writes = append(writes, wrap(user, id))
					} else {
						writes = append(writes, replace(t, user, id, `{}`))
					}
				}
				persist(t, s, writes)
			}
		})
	}
	all.Wait()
	var versions, deadlocks int
	for deadlocks = -1; deadlocks < 0; {
		err := conn.QueryRow(t.Context(), `
			select (select sum(version) from settings),
			       case when exists (select from pg_stat_activity
			                         where datname = current_database()
			                           and application_name = 'outset-worker')
			            then -1
			            else (select deadlocks from pg_stat_database
			                  where datname = current_database()) end`,
		).Scan(&versions, &deadlocks)
		if err != nil {
			t.Fatal(err)
		}
	}
	if versions != workers*rounds*users || deadlocks > 0 {
		t.Errorf("%d versions, want %d; %d deadlocks", versions, workers*rounds*users, deadlocks)
	}
	checkLog(t, conn)
}
