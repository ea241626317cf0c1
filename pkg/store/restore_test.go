package store_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/outset-settings/outset/internal/settings"
	"github.com/outset-settings/outset/pkg/store"
)

// wrap returns a write whose document contains the one before.
func wrap(user, id string) store.Write {
	return store.Write{
		User: user, ID: id, Fingerprint: []byte("wrap"), Operation: "wrap",
		Change: func(current []byte) (settings.Next, error) {
			return settings.Next{Document: fmt.Appendf(nil, `{"was":%s}`, current)}, nil
		},
	}
}

// TestDelete: a deletion makes a version without a document. The next change starts from {}, as for
// a user who never saved.
func TestDelete(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	steps := []struct {
		write func(user, id string) store.Write
		is    string
	}{
		{wrap, `{"was":{}}`}, // of a user who never saved
		{wrap, `{"was":{"was":{}}}`},
		{remove, ""},
		{remove, ""},
		{remove, ""},
		{wrap, `{"was":{}}`},
	}
	var batch []store.Write
	for i, step := range steps {
		version, id := int64(i+1), fmt.Sprint(i)
		isDocument(t, "alone, "+id, write(t, s, step.write("ann", id))[0].Document, version,
			step.is)
		check(t, s, "ann", version, step.is)
		batch = append(batch, step.write("bob", id))
	}
	for i, w := range write(t, s, batch...) {
		isDocument(t, "in a batch, "+batch[i].ID, w.Document, int64(i+1), steps[i].is)
	}
	write(t, s, replace(t, "carl", "1", `{}`))
	check(t, s, "carl", 1, `{}`) // empty, but there
	checkLog(t, connect(t, url))
}

// TestRestore: versions that the log has, and those of the same batch, can be restored as a new
// version.
func TestRestore(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	write(t, s, replace(t, "ann", "1", `{"n": 1}`), remove("ann", "2"),
		replace(t, "ann", "3", `{"n": 3}`), replace(t, "bob", "1", `{"bob":1}`))
	refused := errors.New("refused")
	bad := changing(replace(t, "ann", "bad", `{}`), func([]byte) (settings.Next, error) {
		return settings.Next{}, refused
	})
	writes := []store.Write{
		restore("ann", "4", 1),
		restore("ann", "none", 99),
		restore("ann", "5", 2),
		replace(t, "ann", "6", `{"n": 6}`),
		bad,
		restore("ann", "7", 4), // of this batch
		restore("ann", "8", 6), // of this batch
		restore("ann", "9", 9), // would be its own
		restore("ann", "10", 8),
		restore("nobody", "1", 1),
		restore("bob", "2", 3), // ann's
	}
	want := []struct {
		version int64
		is      string
	}{
		{4, `{"n": 1}`},
		{},
		{5, ""},
		{6, `{"n": 6}`},
		{},
		{7, `{"n": 1}`},
		{8, `{"n": 6}`},
		{},
		{9, `{"n": 6}`},
		{},
		{},
	}
	for i, w := range s.Write(t.Context(), writes) {
		switch {
		case want[i].version > 0:
			if w.Err != nil || w.Replayed || w.Created {
				t.Errorf("write %s: %+v", writes[i].ID, w)
			}
			isDocument(t, "write "+writes[i].ID, w.Document, want[i].version, want[i].is)
		case writes[i].ID == "bad" && errors.Is(w.Err, refused):
		case writes[i].ID != "bad" && errors.Is(w.Err, settings.ErrNotFound):
		default:
			t.Errorf("write %s: %+v", writes[i].ID, w)
		}
	}
	check(t, s, "ann", 9, `{"n": 6}`)
	check(t, s, "bob", 1, `{"bob":1}`)
	check(t, s, "nobody", 0, "")
	conn := connect(t, url)
	checkLog(t, conn)

	// Only the current version can be restored without the log.
	exec(t, conn, `delete from settings_log where user_id = 'ann'`)
	w := s.Write(t.Context(), []store.Write{restore("ann", "11", 8)})[0]
	if !errors.Is(w.Err, settings.ErrNotFound) {
		t.Errorf("removed from the log: %+v", w)
	}
	isDocument(t, "the current one", write(t, s, restore("ann", "12", 9))[0].Document, 10,
		`{"n": 6}`)
}

// TestRefusedLeavesNoRow: of a user who never saved, a write that is refused leaves nothing, though
// another of its batch is applied or was before.
func TestRefusedLeavesNoRow(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	conn := connect(t, url)
	for _, what := range []string{"applied", "repeated"} {
		written := s.Write(t.Context(), []store.Write{wrap("ann", "1"), restore("nobody", "1", 1)})
		if written[0].Err != nil || written[0].Replayed != (what == "repeated") ||
			!errors.Is(written[1].Err, settings.ErrNotFound) {
			t.Fatalf("%s: %+v", what, written)
		}
		var users []string
		err := conn.QueryRow(t.Context(), `select array_agg(user_id) from settings`).Scan(&users)
		if err != nil || !slices.Equal(users, []string{"ann"}) {
			t.Errorf("%s: rows of %q, %v", what, users, err)
		}
	}
}
