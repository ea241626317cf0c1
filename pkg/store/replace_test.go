package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/outset-settings/outset/pkg/store"
)

// transactions returns in how many transactions these operations were applied.
func transactions(t *testing.T, url string, operations ...string) (n int) {
	t.Helper()
	err := connect(t, url).QueryRow(t.Context(), `
		select count(distinct xmin::text)
		from settings_log
		where operation_id = any($1)`, operations).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestReplaceTogether: the replacements of users who have one write in the batch take one
// transaction, first saves among them.
func TestReplaceTogether(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	var first, second []store.Write
	var ids []string
	for i := range 20 {
		if i != 7 && i != 8 { // these have saved nothing yet
			first = append(first, replace(t, fmt.Sprint("user", i), "1", `{}`))
		}
		second = append(second,
			replace(t, fmt.Sprint("user", i), fmt.Sprint("2-", i), fmt.Sprintf(`{"n":%d}`, i)))
		ids = append(ids, fmt.Sprint("2-", i))
	}
	write(t, s, first...)
	twice := replace(t, "user3", "3", `{"twice":true}`)
	others := []store.Write{twice, remove("user4", "3")}
	for i, w := range write(t, s, append(second, others...)...) {
		want := int64(2)
		switch i {
		case 7, 8:
			want = 1
		case 20, 21:
			want = 3
		}
		if w.Version != want || w.Replayed || w.Created || w.Modified.IsZero() {
			t.Errorf("write %d: %+v", i, w)
		}
		if i < 20 && string(w.Bytes) != fmt.Sprintf(`{"n":%d}`, i) {
			t.Errorf("replacement %d: %s", i, w.Bytes)
		}
	}
	check(t, s, "user3", 3, `{"twice":true}`)
	check(t, s, "user7", 1, `{"n":7}`)
	if n := transactions(t, url, ids...); n != 2 {
		t.Errorf("%d transactions, want one for users with one write and one for user3 and user4",
			n)
	}
	write(t, s, replace(t, "new0", "4", `{}`), replace(t, "new1", "4", `{}`))
	if n := transactions(t, url, "4"); n != 1 {
		t.Errorf("%d transactions of first saves", n)
	}
	var half []store.Write
	for i := range 10 {
		half = append(half, replace(t, fmt.Sprint("user", i), "5", `{}`),
			replace(t, fmt.Sprint("half", i), "5", `{}`))
	}
	write(t, s, half...)
	if n := transactions(t, url, "5"); n != 1 {
		t.Errorf("%d transactions where one user in two is new", n)
	}
	checkLog(t, connect(t, url))
}

// TestReplaceNames: of users with any names, each gets what is theirs, in the log as well.
func TestReplaceNames(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	names := []string{
		"a", "B", "_", "-", "é", "e", "z", "Z", "aa", "a b", "a-b", "10", "9", "日本", "ß", "ss", "~", "'",
	}
	batch := func(id string) (writes []store.Write) {
		for _, name := range names {
			writes = append(writes, replace(t, name, id+name, fmt.Sprintf(`{"name":%q}`, id+name)))
		}
		return writes
	}
	for version, id := range []string{"first ", "second "} {
		write(t, s, batch(id)...)
		for i, w := range write(t, s, batch(id)...) { // the same again
			if !w.Replayed || w.Version != int64(version+1) ||
				string(w.Bytes) != fmt.Sprintf(`{"name":%q}`, id+names[i]) {
				t.Errorf("%s%q: %+v", id, names[i], w)
			}
		}
	}
	checkLog(t, connect(t, url))
}

// TestReplaceChecks: the statement for replacements checks what a transaction checks: ids that the
// log has, deadlines, erasures. The other writes of the batch are applied.
func TestReplaceChecks(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	users := []string{"replayed", "reused", "late", "erased", "deleted", "fine"}
	var writes []store.Write
	for _, user := range users {
		writes = append(writes, replace(t, user, "1", `{"n":1}`))
	}
	write(t, s, writes...)
	before := time.Now()
	write(t, s, erase("erased", "e"), remove("deleted", "d"))
	replayed := replace(t, "replayed", "1", `{"n":1}`)
	unkeyed := replayed // the statement doesn't look up its id, and fails
	unkeyed.Keyed = false
	reused := replace(t, "reused", "1", `{"n":2}`)
	late := replace(t, "late", "2", `{"n":2}`)
	late.Deadline = time.Now().Add(-time.Second)
	erased := issued(replace(t, "erased", "2", `{"n":2}`), before)
	deleted, fine := replace(t, "deleted", "2", `{"n":2}`), replace(t, "fine", "2", `{"n":2}`)
	// The first three hold writes that the statement passes over, or that make it fail.
	for _, others := range [][]store.Write{{replayed}, {unkeyed}, {reused}, nil} {
		got := s.Write(t.Context(), append(others, late, erased))
		for i, want := range append(make([]error, len(others)), store.ErrExpired,
			store.ErrUnavailable) {
			if want != nil && !errors.Is(got[i].Err, want) {
				t.Errorf("write %d: %+v, want %v", i, got[i], want)
			}
		}
	}
	got := s.Write(t.Context(), []store.Write{replayed, reused, late, erased, deleted, fine})
	if w := got[0]; w.Err != nil || !w.Replayed || w.Version != 1 {
		t.Errorf("the repetition: %+v", w)
	}
	if !errors.Is(got[1].Err, store.ErrIDReused) || !errors.Is(got[2].Err, store.ErrExpired) ||
		!errors.Is(got[3].Err, store.ErrUnavailable) {
		t.Errorf("refusals: %v, %v, %v", got[1].Err, got[2].Err, got[3].Err)
	}
	if got[4].Err != nil || got[4].Version != 3 || got[5].Err != nil || got[5].Version != 2 {
		t.Errorf("neighbours: %+v, %+v", got[4], got[5])
	}
	check(t, s, "deleted", 3, `{"n":2}`)
	checkLog(t, connect(t, url))
}

// TestReplaceBlocked: a row that stays locked costs other users one wait, not one for each batch.
func TestReplaceBlocked(t *testing.T) {
	t.Parallel()
	_, url := open(t)
	s := openWith(t, url, store.Timeouts{Lock: 50 * time.Millisecond, ReplacePause: time.Hour})
	write(t, s, replace(t, "held", "0", `{}`), replace(t, "free", "0", `{}`))
	holder := connect(t, url)
	tx, err := holder.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	exec(t, tx.Conn(), `select from settings where user_id = 'held' for update`)
	var until time.Time
	for i := range 3 {
		got := s.Write(t.Context(), []store.Write{
			replace(t, "held", fmt.Sprint("h", i), `{}`),
			replace(t, "free", fmt.Sprint("f", i), `{}`),
		})
		if !errors.Is(got[0].Err, store.ErrBusy) || got[1].Err != nil ||
			got[1].Version != int64(i+2) {
			t.Errorf("held %v, free %+v", got[0].Err, got[1])
		}
		if i == 0 {
			until = s.ReplacePausedUntil()
		}
		if until.Before(time.Now()) || s.ReplacePausedUntil() != until {
			t.Error("the statement is tried again soon after it has waited in vain")
		}
	}
	checkLog(t, connect(t, url))
}

// TestReplaceTooLate: a batch that waits for its last row until its deadline has passed is not
// applied. Postgres has sent rows of its result by then: they are more than it buffers.
func TestReplaceTooLate(t *testing.T) {
	t.Parallel()
	_, url := open(t)
	s := openWith(t, url, store.Timeouts{Lock: store.Patient})
	const users = 256
	var first []store.Write
	for i := range users {
		user := fmt.Sprintf("a user with a long name whose number is %03d", i)
		first = append(first, replace(t, user, "1", `{}`))
	}
	write(t, s, first...)
	holder, observer := connect(t, url), connect(t, url)
	exec(t, holder, `begin`)
	exec(t, holder, `select from settings where user_id = $1 for update`, first[users-1].User)

	written := make(chan []store.Written, 1)
	for within := time.Second; ; within *= 2 { // a slow machine may begin after the deadline
		deadline := time.Now().Add(within)
		var second []store.Write
		for _, w := range first {
			w = replace(t, w.User, "2", `{"n":2}`)
			w.Deadline = deadline
			second = append(second, w)
		}
		go func() { written <- s.Write(t.Context(), second) }()
		becomes(t, observer, lockAwaited)
		inTime := time.Now().Before(deadline)
		becomes(t, observer, `select clock_timestamp() > $1`, deadline)
		if inTime {
			break
		}
		exec(t, holder, `rollback`)
		<-written
		exec(t, holder, `begin`)
		exec(t, holder, `select from settings where user_id = $1 for update`, first[users-1].User)
	}
	exec(t, holder, `rollback`)
	for i, w := range <-written {
		if !errors.Is(w.Err, store.ErrExpired) {
			t.Errorf("write %d: version %d, %v", i, w.Version, w.Err)
		}
	}
	check(t, s, first[0].User, 1, `{}`)
	checkLog(t, holder)
}

// TestReplaceAnswerLost: the connection breaks after a batch of replacements is committed and
// before its answer arrives. The retry finds them in the log.
func TestReplaceAnswerLost(t *testing.T) {
	t.Parallel()
	for name, newUsers := range map[string]bool{"known users": false, "new users": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, url := open(t)
			w, address := onWire(t, url)
			s, err := store.Open(t.Context(), address, 1)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			batch := func(id string) (writes []store.Write) {
				for i := range 20 {
					user := fmt.Sprint("user", i)
					if newUsers { // each batch has users of its own
						user += " " + id
					}
					writes = append(writes, replace(t, user, id, `{}`))
				}
				return writes
			}
			write(t, s, batch("1")...)
			write(t, s, batch("2")...) // from now on the statements are prepared
			w.loseAnswer()
			want := int64(3)
			if newUsers {
				want = 1
			}
			for i, w := range write(t, s, batch("3")...) {
				if w.Version != want || !w.Replayed {
					t.Errorf("write %d: %+v", i, w)
				}
			}
			checkLog(t, connect(t, url))
		})
	}
}

// TestReplaceRace: two workers replace the documents of the same users, each in an order of its
// own. They share half of the ids. Each id is applied once and no version is missing.
func TestReplaceRace(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	other := reopen(t, url)
	const users, rounds = 24, 25
	var wg sync.WaitGroup
	for n, worker := range []*store.Store{s, other} {
		wg.Go(func() {
			for round := range rounds {
				var writes []store.Write
				for i := range users {
					user := (i*7 + n*5) % users
					// For every second user both workers use the same id.
					id := fmt.Sprint(round, "-", n*(user%2))
					writes = append(writes, replace(t, fmt.Sprint("user", user), id, `{}`))
				}
				persist(t, worker, writes)
			}
		})
	}
	wg.Wait()
	for user := range users {
		want := int64(rounds * (1 + user%2))
		if d := read(t, s, current(fmt.Sprint("user", user))...)[0]; d.Version != want {
			t.Errorf("user%d: version %d, want %d", user, d.Version, want)
		}
	}
	checkLog(t, connect(t, url))
}
