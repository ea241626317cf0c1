package store_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/outset-settings/outset/internal/settings"
	"github.com/outset-settings/outset/pkg/store"
)

// again returns w as it is sent again.
func again(w store.Write) store.Write {
	w.Again = true
	return w
}

// fenced fails the test unless a repetition was refused for good because of err.
func fenced(t *testing.T, w store.Written, err error) {
	t.Helper()
	if !errors.Is(w.Err, err) || !w.Fenced {
		t.Errorf("the repetition: %+v, want it fenced: %v", w, err)
	}
}

// late fails the test unless an attempt was refused because a repetition of it was.
func late(t *testing.T, w store.Written) {
	t.Helper()
	if !errors.Is(w.Err, store.ErrUnavailable) || errors.Is(w.Err, store.ErrBusy) {
		t.Errorf("the first attempt: %+v, want it refused", w)
	}
}

// count returns the value of a query that has one.
func count(t *testing.T, conn *pgx.Conn, query string, arguments ...any) (n int) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), query, arguments...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

const (
	rowsOf   = `select count(*) from settings where user_id = $1`
	fencesOf = `select count(*) from settings_fences where user_id = $1`
)

// TestFenced: a repetition is refused, and its first attempt comes when it is too late: while the
// repetition has the row locked, or afterwards; as a replacement of any document, or as a change.
// It is never applied. A user who never was leaves no row.
func TestFenced(t *testing.T) {
	t.Parallel()
	firsts := map[string]func(store.Write) store.Write{
		"replacement": func(w store.Write) store.Write { return w },
		"change": func(w store.Write) store.Write {
			return changing(w, func([]byte) (settings.Next, error) {
				return settings.Next{Document: []byte(`{"n":2}`)}, nil
			})
		},
	}
	for name, first := range firsts {
		for _, known := range []bool{true, false} {
			for _, waiting := range []bool{true, false} {
				t.Run(fmt.Sprint(name, " known ", known, " waiting ", waiting), func(t *testing.T) {
					t.Parallel()
					_, url := open(t)
					fence(t, url, first, known, waiting)
				})
			}
		}
	}
}

func fence(
	t *testing.T, url string, kind func(store.Write) store.Write, known, waiting bool,
) {
	observer := connect(t, url)
	here := openWith(t, url, store.Timeouts{Lock: store.Patient})
	there := openWith(t, url, store.Timeouts{Lock: store.Patient})
	version, document := int64(0), ""
	if known {
		version, document = 1, `{"n":1}`
		write(t, here, replace(t, "ann", "1", document))
	}
	w := issued(replace(t, "ann", "2", `{"n":2}`), time.Now())
	first := make(chan store.Written, 1)
	send := func() { first <- there.Write(t.Context(), []store.Write{kind(w)})[0] }
	refused := changing(again(w), func([]byte) (settings.Next, error) {
		if waiting {
			go send()
			becomes(t, observer, lockAwaited)
		}
		return settings.Next{}, settings.ErrNotApplicable
	})
	fenced(t, here.Write(t.Context(), []store.Write{refused})[0], settings.ErrNotApplicable)
	if !waiting {
		send()
	}
	late(t, <-first)
	check(t, here, "ann", version, document)
	if n := count(t, observer, rowsOf, "ann"); n != int(version) {
		t.Errorf("%d rows of a user who is known: %v", n, known)
	}

	// Another repetition is judged like the last one, and not applied either.
	waiting = false
	fenced(t, here.Write(t.Context(), []store.Write{refused})[0], settings.ErrNotApplicable)
	fenced(t, here.Write(t.Context(), []store.Write{again(kind(w))})[0], store.ErrUnavailable)
	// The client's next request is another one, though it has the same id.
	next := issued(w, w.Issued.Add(time.Millisecond))
	if got := write(t, here, kind(next))[0]; got.Version != version+1 || got.Replayed {
		t.Errorf("the next request: %+v", got)
	}
	checkLog(t, observer)
}

// TestNotFenced: what isn't certain isn't fenced, and a repetition of what was applied gets the
// first answer.
func TestNotFenced(t *testing.T) {
	t.Parallel()
	direct, url := open(t)
	s := openWith(t, url, store.Timeouts{Lock: 50 * time.Millisecond})
	conn := connect(t, url)
	then := time.Now()
	first := issued(onlyIf(replace(t, "ann", "2", `{"n":2}`), match(1)), then)
	write(t, s, replace(t, "ann", "1", `{}`), first, replace(t, "ann", "3", `{"n":3}`))
	if got := write(t, s, again(first))[0]; got.Version != 2 || !got.Replayed || got.Fenced {
		t.Errorf("a repetition of what was applied: %+v", got)
	}

	// While another transaction has the row, that may be the first attempt's.
	stale := issued(onlyIf(replace(t, "ann", "4", `{}`), match(1)), then)
	expired := issued(replace(t, "ann", "5", `{}`), then)
	expired.Deadline = then
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	exec(t, conn, `select from settings where user_id = 'ann' for update`)
	for i, got := range s.Write(t.Context(), []store.Write{again(stale), again(expired)}) {
		if !errors.Is(got.Err, store.ErrBusy) || got.Fenced {
			t.Errorf("write %d to a locked row: %+v", i, got)
		}
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	wrong := again(issued(replace(t, "ann", "6", `{}`), then))
	wrong.Wrong = settings.ErrTooLarge
	got := direct.Write(t.Context(), []store.Write{again(stale), again(expired), wrong})
	fenced(t, got[0], settings.ErrPrecondition)
	isDocument(t, "the refusal's", got[0].Document, 3, `{"n":3}`)
	fenced(t, got[1], store.ErrExpired)
	fenced(t, got[2], settings.ErrTooLarge)
	got = direct.Write(t.Context(), []store.Write{stale})
	if !errors.Is(got[0].Err, settings.ErrPrecondition) || got[0].Fenced {
		t.Errorf("not sent again: %+v", got[0])
	}
}

// TestRefusedThenSaved: a user's first write comes in the same batch as a repetition that is
// refused. The placeholder row that both find isn't removed.
func TestRefusedThenSaved(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	refused := again(issued(onlyIf(replace(t, "ann", "1", `{}`), match(1)), time.Now()))
	got := s.Write(t.Context(), []store.Write{refused, replace(t, "ann", "2", `{"n":2}`)})
	fenced(t, got[0], settings.ErrPrecondition)
	check(t, s, "ann", 1, `{"n":2}`)
	checkLog(t, connect(t, url))
}

// TestFencesAreRemoved: with their users when these are erased, and when they are old. The erasure
// refuses what they would have refused.
func TestFencesAreRemoved(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	conn := connect(t, url)
	then := time.Now()
	refused := func(user string) store.Write {
		return issued(onlyIf(replace(t, user, "1", `{}`), settings.Condition{
			Match: &settings.Versions{Any: true},
		}), then)
	}
	for _, user := range []string{"ann", "bob", "carl"} {
		got := s.Write(t.Context(), []store.Write{again(refused(user))})
		fenced(t, got[0], settings.ErrPrecondition)
	}
	write(t, s, replace(t, "ann", "first", `{}`), erase("ann", "2"), replace(t, "ann", "3", `{}`))
	if n := count(t, conn, fencesOf, "ann"); n != 0 {
		t.Errorf("%d fences of an erased user", n)
	}
	late(t, s.Write(t.Context(), []store.Write{refused("ann")})[0])

	exec(t, conn, `update settings_fences set refused_at = refused_at - interval '2 hours'
	               where user_id = 'bob'`)
	exec(t, conn, `update settings_pruning set due = clock_timestamp()`)
	if _, _, err := s.Prune(t.Context(), store.Retention{Versions: 1, Age: time.Hour}); err != nil {
		t.Fatal(err)
	}
	if bob, carl := count(t, conn, fencesOf, "bob"), count(t, conn, fencesOf, "carl"); bob != 0 ||
		carl != 1 {
		t.Errorf("%d old fences and %d young ones are left", bob, carl)
	}
}
