package store_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/outset-settings/outset/internal/testwait"
	"github.com/outset-settings/outset/pkg/store"
)

// mirror is a copy of all users that follows their changes: how a user is, by id.
type mirror struct {
	t     testing.TB
	s     *store.Store
	at    store.Position
	limit int
	bytes int

	users  map[string]string
	told   []string // of the last call of follow
	resets int
	behind bool
	// impatient: it doesn't wait for older transactions, which may be those of other tests.
	impatient bool
}

func newMirror(t testing.TB, s *store.Store) *mirror {
	return &mirror{t: t, s: s, limit: 3, bytes: 1000, users: make(map[string]string)}
}

// follow reads all that there is now.
func (m *mirror) follow() {
	m.t.Helper()
	m.told = nil
	for more := true; more; {
		part := read(m.t, m.s, store.Read{Follow: &store.Follow{
			After: m.at, Limit: m.limit, Bytes: m.bytes, Whole: true,
		}})[0].Followed
		if part.Reset {
			m.resets++
			clear(m.users)
		}
		if len(part.Users) > m.limit {
			m.t.Errorf("%d users, at most %d were wanted", len(part.Users), m.limit)
		}
		for _, u := range part.Users {
			state := fmt.Sprintf("%d %s", u.Version, u.Bytes)
			if m.told = append(m.told, u.ID); u.Absent {
				delete(m.users, u.ID)
			} else {
				m.users[u.ID] = state
			}
		}
		m.at, m.behind = part.Next, part.Behind
		more = part.More || m.behind && !m.impatient
	}
}

// equals fails the test unless the mirror has what the table has.
func (m *mirror) equals() {
	m.t.Helper()
	all, _ := walk(m.t, m.s, store.List{Limit: 500, Whole: true, Bytes: 1 << 20})
	var got []string
	for id, state := range m.users {
		got = append(got, id+" "+state)
	}
	if slices.Sort(got); !slices.Equal(got, all) {
		m.t.Errorf("the mirror has %q, the table %q", got, all)
	}
}

// TestFollow: all users who are there come first, and then who has changed, deletions and erasures
// included, and each of them once.
func TestFollow(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	var writes []store.Write
	for i := range 10 {
		writes = append(writes, replace(t, fmt.Sprint("u", i), "1", `{}`))
	}
	write(t, s, append(writes, putSchema("1", `{"title":"not a user"}`), remove("u3", "2"))...)
	m := newMirror(t, s)
	m.follow()
	m.equals()
	if len(m.users) != 9 {
		t.Errorf("%d users", len(m.users))
	}
	m.follow() // what changed since the listing began
	m.follow()
	if m.told != nil {
		t.Errorf("nothing has changed, but it was told of %q", m.told)
	}
	write(t, s, replace(t, "u5", "2", `{"n":2}`), remove("u6", "2"), erase("u7", "2"))
	write(t, s, replace(t, "u5", "3", `{"n":3}`))
	write(t, s, replace(t, "a", "1", `{}`))
	m.follow()
	m.equals()
	if got := fmt.Sprint(m.told); got != "[u5 u6 u7 a]" && got != "[u5 u6 u7 u5 a]" || m.resets != 0 {
		t.Errorf("it was told of %v after %d resets", got, m.resets)
	}
	now := read(t, s, store.Read{Follow: &store.Follow{Now: true}})[0].Followed
	write(t, s, replace(t, "b", "1", `{}`))
	m.at = now.Next
	m.follow()
	if !slices.Contains(m.told, "b") || slices.Contains(m.told, "u0") {
		t.Errorf("since just now: %q", m.told)
	}
}

// TestFollowListsErasures: who begins anew learns that a user who is there was erased before.
func TestFollowListsErasures(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	write(t, s, replace(t, "back", "1", `{}`), replace(t, "other", "1", `{}`))
	write(t, s, erase("back", "2"))
	write(t, s, replace(t, "back", "3", `{}`))
	part := read(t, s, store.Read{Follow: &store.Follow{Limit: 5, Bytes: 1000}})[0].Followed
	erased := make(map[string]int64)
	for _, u := range part.Users {
		erased[u.ID] = u.Erased
	}
	if len(erased) != 2 || erased["back"] != 2 || erased["other"] != 0 {
		t.Errorf("erased: %v", erased)
	}
}

// TestFollowBetweenSchemas: what was noted of nobody's settings takes no change's place in a part.
func TestFollowBetweenSchemas(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	m := newMirror(t, s)
	m.limit = 1
	m.follow()
	for n := range 4 {
		for i := range n {
			write(t, s, putSchema(fmt.Sprint(n, "-", i), fmt.Sprintf(`{"title":"%d-%d"}`, n, i)))
		}
		write(t, s, replace(t, fmt.Sprint("user-", n), "1", `{"n":1}`))
	}
	m.follow()
	m.equals()
	if want := []string{"user-0", "user-1", "user-2", "user-3"}; !slices.Equal(m.told, want) {
		t.Errorf("told of %q", m.told)
	}
}

// TestFollowLateCommit: a change is not missed because its transaction began before others that
// were seen already, and ended after them.
func TestFollowLateCommit(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	write(t, s, replace(t, "early", "1", `{}`), replace(t, "late", "1", `{}`))
	m := newMirror(t, s)
	m.follow()
	m.follow()
	m.impatient = true
	conn := connect(t, url)
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `
		with saved as (
			update settings set version = 2, updated_at = clock_timestamp() where user_id = 'late'
		)
		insert into settings_changes (users, changed_at) values ('{late}', clock_timestamp())`,
	); err != nil {
		t.Fatal(err)
	}
	write(t, s, replace(t, "early", "2", `{"n":2}`))
	m.follow()
	if m.told != nil || !m.behind {
		t.Errorf("told of %q, behind: %v", m.told, m.behind)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.impatient = false
	m.follow()
	m.equals()
	if !slices.Equal(m.told, []string{"late", "early"}) || m.behind {
		t.Errorf("told of %q, behind: %v", m.told, m.behind)
	}
}

// TestFollowAnew: who comes back after the changes since were forgotten, or with a position of
// another database, begins anew.
func TestFollowAnew(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	other, _ := open(t)
	conn := connect(t, url)
	write(t, s, replace(t, "a", "1", `{}`), replace(t, "b", "1", `{}`))
	m := newMirror(t, s)
	m.follow()
	write(t, s, erase("a", "2"))
	prune(t, s, conn, store.Retention{Versions: 1, Age: day})
	m.follow()
	m.equals()
	if m.resets != 0 {
		t.Error("it began anew though nothing was forgotten")
	}
	write(t, s, erase("b", "2"))
	exec(t, conn, `update settings_changes set changed_at = changed_at - interval '2 days'`)
	// While another test has a transaction open, what is newer than that one stays.
	testwait.Until(t, time.Minute, "the changes are forgotten", func() bool {
		prune(t, s, conn, store.Retention{Versions: 1, Age: day})
		var left int
		err := conn.QueryRow(t.Context(), `select count(*) from settings_changes`).Scan(&left)
		return err == nil && left == 0
	})
	m.follow()
	m.equals()
	if m.resets != 1 || len(m.users) != 0 {
		t.Errorf("%d resets, %v", m.resets, m.users)
	}
	write(t, s, replace(t, "c", "1", `{}`))
	m.follow()
	m.equals()
	elsewhere := newMirror(t, other)
	write(t, other, replace(t, "x", "1", `{}`))
	elsewhere.follow()
	m.at = elsewhere.at
	m.follow()
	m.equals()
	if m.resets != 2 {
		t.Errorf("%d resets", m.resets)
	}
}

// TestFollowBeyondRollback: a position that the database hasn't reached is of a state that was
// rolled back, as a snapshot of the storage does. Whoever followed it begins anew.
func TestFollowBeyondRollback(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	write(t, s, replace(t, "ann", "1", `{"n":1}`))
	m := newMirror(t, s)
	m.follow()
	m.users["bob"] = "1 {}" // as in the state that was rolled back
	m.at.Transaction += 1 << 40
	m.follow()
	if m.resets != 1 {
		t.Errorf("%d resets, want 1", m.resets)
	}
	m.equals()
}

// TestFollowWriters: whatever is written side by side, a mirror becomes equal.
func TestFollowWriters(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	m := newMirror(t, s)
	m.limit = 7
	const rounds, users = 40, 12
	saveAll(t, s, "u", users)
	var writers sync.WaitGroup
	done := make(chan struct{})
	for n, s := range []*store.Store{s, reopen(t, url), reopen(t, url)} {
		writers.Go(func() {
			for round := range rounds {
				var writes []store.Write
				for i := range 1 + rand.IntN(8) {
					user := fmt.Sprint("u", rand.IntN(users))
					id := fmt.Sprint(n, "/", round, "/", i)
					kinds := []store.Write{
						replace(t, user, id, fmt.Sprintf(`{"by":%q}`, id)), wrap(user, id),
						remove(user, id), erase(user, id),
						replace(t, user, id, `{}`), replace(t, user, id, `{"r":1}`),
					}
					writes = append(writes, kinds[rand.IntN(len(kinds))])
				}
				persist(t, s, writes)
			}
		})
	}
	go func() {
		writers.Wait()
		close(done)
	}()
	for ended := false; !ended; {
		select {
		case <-done:
			ended = true
		case <-time.After(time.Millisecond):
		}
		m.follow()
	}
	m.follow()
	m.equals()
	if m.resets != 0 {
		t.Errorf("%d resets", m.resets)
	}
}
