package store_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/outset-settings/outset/internal/settings"
	"github.com/outset-settings/outset/pkg/store"
)

// isReplay fails the test unless a repetition got the first answer: every byte, and the time.
func isReplay(t *testing.T, what string, again, first store.Written) {
	t.Helper()
	same := reflect.DeepEqual(again.Document, first.Document) && again.Created == first.Created
	if again.Err != nil || !again.Replayed || !same {
		t.Errorf("%s:\n%+v, want\n%+v", what, again, first)
	}
}

// TestRepeated: a repetition gets the first answer of its id, whatever was written since, in a
// later batch and in the same one. Another write with the same id is refused.
func TestRepeated(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	first := replace(t, "ann", "id", `{"n":1}`)
	for i, w := range write(t, s, first, first, replace(t, "bob", "id", `{"n":1}`)) {
		if w.Version != 1 || w.Replayed != (i == 1) {
			t.Errorf("write %d: %+v", i, w)
		}
	}
	s.Write(t.Context(), []store.Write{replace(t, "ann", "other", `{"n":2}`)})

	late := first
	late.Deadline = time.Now().Add(-time.Hour) // it was applied in time
	written := s.Write(t.Context(), []store.Write{late, replace(t, "ann", "id", `{"n":3}`)})
	if w := written[0]; w.Err != nil || w.Version != 1 || !w.Replayed {
		t.Errorf("the repetition: %+v", w)
	}
	if err := written[1].Err; !errors.Is(err, store.ErrIDReused) {
		t.Errorf("another write with the same id: %v", err)
	}
	check(t, s, "ann", 2, `{"n":2}`)
	checkLog(t, connect(t, url))
}

// TestReplays: every kind of write, repeated in the same batch and by another worker, gets its
// first answer. That is also what readers see.
func TestReplays(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	creates := replace(t, "ann", "created", " {\"b\" : 1.10} ")
	creates = changing(creates, func(current []byte) (settings.Next, error) {
		return settings.Next{Document: append([]byte(" "), current...), Created: true}, nil
	})
	nothing := replace(t, "ann", "nothing", "{}")
	nothing = changing(nothing, func(current []byte) (settings.Next, error) {
		return settings.Next{Document: current}, nil
	})
	writes := []store.Write{
		replace(t, "ann", "replaced", " {\"b\":1.10,\n\"a\":9007199254740993} "),
		creates,
		nothing,
		remove("ann", "deleted"),
		remove("ann", "deleted again"),
		restore("ann", "restored", 1),
		restore("ann", "restored deletion", 4),
		replace(t, "ann", "last", `{}`),
		erase("bob", "erased"),
	}
	write(t, s, replace(t, "bob", "saved", `{}`))
	twice := s.Write(t.Context(), append(writes, writes...))
	first := twice[:len(writes)]
	for i, w := range writes {
		if first[i].Err != nil || first[i].Replayed || first[i].Created != (w.ID == "created") ||
			first[i].Modified.IsZero() {
			t.Fatalf("%s: %+v", w.ID, first[i])
		}
		if w.User == "ann" && first[i].Version != int64(i+1) {
			t.Errorf("%s: version %d, want %d", w.ID, first[i].Version, i+1)
		}
		isReplay(t, w.ID+" in the same batch", twice[len(writes)+i], first[i])
	}
	later := write(t, reopen(t, url), writes...)
	for i, w := range writes {
		isReplay(t, w.ID+" by another worker", later[i], first[i])
		if w.User != "ann" {
			continue
		}
		was := read(t, s, store.Read{User: w.User, Version: first[i].Version})[0]
		if was.Err != nil || !reflect.DeepEqual(was.Document, first[i].Document) {
			t.Errorf("%s: read as %+v, want %+v", w.ID, was, first[i].Document)
		}
	}
	now := read(t, s, current("ann", "bob")...)
	for i, user := range []int{len(writes) - 2, len(writes) - 1} {
		if !reflect.DeepEqual(now[i].Document, first[user].Document) {
			t.Errorf("read as %+v, want %+v", now[i], first[user].Document)
		}
	}
	checkLog(t, connect(t, url))
}
