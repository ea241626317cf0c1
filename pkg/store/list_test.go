package store_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/outset-settings/outset/pkg/store"
)

// walk goes through all parts of a listing and returns the users, with their documents if they have
// one, and how many parts there were.
func walk(t testing.TB, s *store.Store, l store.List) (users []string, parts int) {
	t.Helper()
	for {
		parts++
		part := read(t, s, store.Read{List: &l})[0].Listed
		if len(part.Users) > l.Limit {
			t.Errorf("%d users, at most %d were wanted", len(part.Users), l.Limit)
		}
		for _, u := range part.Users {
			users = append(users, strings.TrimSuffix(fmt.Sprintf("%s %d %s", u.ID, u.Version,
				u.Bytes), " "))
		}
		if part.Next == "" {
			return users, parts
		}
		if part.Next <= l.After {
			t.Fatalf("after %q comes %q", l.After, part.Next)
		}
		l.After = part.Next
	}
}

// TestList: a listing has the users who have a document, in the byte order of their ids, however it
// is divided into parts.
func TestList(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	write(t, s,
		replace(t, "b", "1", `{"b":1}`), replace(t, "B", "1", ` {"B":1} `),
		replace(t, "é", "1", `{}`), replace(t, " ", "1", `{}`),
		replace(t, "deleted", "1", `{}`), remove("deleted", "2"),
		replace(t, "erased", "1", `{}`), erase("erased", "2"),
		replace(t, "back", "1", `{}`), remove("back", "2"),
		replace(t, "back", "3", `{"again":true}`),
		putSchema("1", `{"title":"not a user"}`))
	exec(t, connect(t, url), `insert into settings values ('placeholder', 0, null, now())`)
	whole := []string{"  1 {}", `B 1  {"B":1} `, `b 1 {"b":1}`, `back 3 {"again":true}`, "é 1 {}"}
	whole[1] = strings.TrimSuffix(whole[1], " ")
	bare := []string{"  1", "B 1", "b 1", "back 3", "é 1"}
	for limit := 1; limit <= 8; limit++ {
		for _, size := range []int{1, 100, 1 << 20} {
			got, _ := walk(t, s, store.List{Limit: limit, Whole: true, Bytes: size})
			if !slices.Equal(got, whole) {
				t.Errorf("limits %d, %d: %q, want %q", limit, size, got, whole)
			}
			got, _ = walk(t, s, store.List{Limit: limit, Bytes: size})
			if !slices.Equal(got, bare) {
				t.Errorf("limits %d, %d, bare: %q, want %q", limit, size, got, bare)
			}
		}
	}
	got, _ := walk(t, s, store.List{After: "back", Limit: 10, Bytes: 100})
	if !slices.Equal(got, []string{"é 1"}) {
		t.Errorf("after back: %q", got)
	}
	got, parts := walk(t, s, store.List{After: "é", Limit: 10, Bytes: 100})
	if got != nil || parts != 1 {
		t.Errorf("after the last: %q in %d parts", got, parts)
	}
}

// TestListSize: a part has as many documents as fit into its bytes, and at least one.
func TestListSize(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	document := fmt.Sprintf(`{"a":%q}`, strings.Repeat("a", 1000))
	var writes []store.Write
	for i := range 20 {
		writes = append(writes, replace(t, fmt.Sprint("user ", 10+i), "1", document))
	}
	write(t, s, writes...)
	for size, want := range map[int]int{1: 20, 1100: 20, 2200: 10, 5400: 4, 1 << 20: 1} {
		got, parts := walk(t, s, store.List{Limit: 20, Whole: true, Bytes: size})
		if len(got) != 20 || parts != want && parts != want+1 { // the last may be empty
			t.Errorf("%d bytes: %d users in %d parts, want %d", size, len(got), parts, want)
		}
	}
}

// TestListSince: a listing has only users who were changed since, and a part without users says
// where the next one begins.
func TestListSince(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	write(t, s, replace(t, "old", "1", `{}`), replace(t, "zoe", "1", `{}`))
	conn := connect(t, url)
	exec(t, conn, `
		insert into settings (user_id, version, document, updated_at)
		select 'many ' || n, 1, '{}', '2020-01-01T00:00:00.000001Z'
		from generate_series(1, 12000) n`)
	since := time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC)
	got, parts := walk(t, s, store.List{Limit: 10, Since: since, Bytes: 1000})
	if !slices.Equal(got, []string{"old 1", "zoe 1"}) || parts != 3 {
		t.Errorf("%q in %d parts", got, parts)
	}
	exact := time.Date(2020, 1, 1, 0, 0, 0, 1000, time.UTC)
	got, _ = walk(t, s, store.List{Limit: 500, Since: exact, Bytes: 1 << 20})
	if len(got) != 12002 {
		t.Errorf("since that moment: %d users", len(got))
	}
	after := exact.Add(time.Microsecond)
	got, _ = walk(t, s, store.List{Limit: 500, Since: after, Bytes: 1 << 20})
	if len(got) != 2 {
		t.Errorf("since the moment after: %q", got)
	}
}

// TestListTombstones: a listing of what was changed since a time has users whose document is gone,
// also when the log has forgotten it, and tells of erasures. No other listing has them.
func TestListTombstones(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	conn := connect(t, url)
	write(t, s,
		replace(t, "back", "1", `{}`), erase("back", "2"), replace(t, "back", "3", `{"b":1}`),
		replace(t, "deleted", "1", `{}`), remove("deleted", "2"),
		replace(t, "erased", "1", `{}`), erase("erased", "2"),
		replace(t, "here", "1", `{}`))
	exec(t, conn, `insert into settings values ('placeholder', 0, null, now())`)
	exec(t, conn, `delete from settings_log where user_id = 'erased'`)
	l := store.List{Limit: 2, Whole: true, Since: time.Now().Add(-time.Hour), Bytes: 1000}
	var got []string
	for {
		part := read(t, s, store.Read{List: &l})[0].Listed
		for _, u := range part.Users {
			got = append(got, fmt.Sprintf("%s %d %t %d %s", u.ID, u.Version, u.Absent, u.Erased,
				u.Bytes))
		}
		if part.Next == "" {
			break
		}
		l.After = part.Next
	}
	want := []string{
		`back 3 false 2 {"b":1}`, "deleted 2 true 0 ", "erased 2 true 2 ", "here 1 false 0 {}",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	all, _ := walk(t, s, store.List{Limit: 10, Bytes: 1000})
	if !slices.Equal(all, []string{"back 3", "here 1"}) {
		t.Errorf("without a time: %q", all)
	}
}

// TestNumbers: a read can return version and time of a document without its bytes.
func TestNumbers(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	write(t, s, replace(t, "ann", "1", `{}`), replace(t, "ann", "2", `{"a":1}`),
		replace(t, "gone", "1", `{}`), remove("gone", "2"))
	users := []string{"ann", "gone", "nobody"}
	var numbers []store.Read
	for _, user := range users {
		numbers = append(numbers, store.Read{User: user, Number: true})
	}
	want := read(t, s, current(users...)...)
	for i, got := range read(t, s, numbers...) {
		want[i].Bytes, got.Bytes = nil, nil
		if !reflect.DeepEqual(got.Document, want[i].Document) || got.Err != nil {
			t.Errorf("%s: %+v, want %+v", users[i], got, want[i])
		}
	}
}
