package store_test

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/outset-settings/outset/internal/settings"
	"github.com/outset-settings/outset/pkg/store"
)

// hasVersions fails the test unless the user's history has these versions, the newest first.
func hasVersions(t *testing.T, s *store.Store, user string, want ...int64) {
	t.Helper()
	page := &store.Page{Limit: 1000}
	got := versions(read(t, s, store.Read{User: user, History: page})[0])
	if !slices.Equal(got, want) {
		t.Errorf("%s has the versions %v, want %v", user, got, want)
	}
}

func versions(f store.Found) (versions []int64) {
	for _, e := range f.Entries {
		versions = append(versions, e.Version)
	}
	return versions
}

// TestMixedReads: every kind of read in one batch, some of them twice, of users with documents and
// without.
func TestMixedReads(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	write(t, s,
		replace(t, "ann", "1", `{"a": "é"}`), remove("ann", "2"),
		replace(t, "ann", "3", ` {"n":3} `),
		replace(t, "bob", "1", `{"bob":1}`), replace(t, "gone", "1", `{}`),
		remove("gone", "2"))
	conn := connect(t, url)
	exec(t, conn, `insert into settings values ('placeholder', 0, null, now())`)
	page := func(below int64, limit int) *store.Page {
		return &store.Page{Below: below, Limit: limit}
	}
	for _, c := range []struct {
		read     store.Read
		version  int64 // -1: no document is wanted; 0: that of a user who never saved one
		document string
		history  []int64
		missing  bool
	}{
		{read: store.Read{User: "ann"}, version: 3, document: ` {"n":3} `},
		{read: store.Read{User: "ann", Version: 1}, version: 1, document: `{"a": "é"}`},
		{read: store.Read{User: "ann", Version: 2}, version: 2},
		{read: store.Read{User: "ann", Version: 3}, version: 3, document: ` {"n":3} `},
		{read: store.Read{User: "ann", Version: 4}, missing: true},
		{read: store.Read{User: "ann", Version: -1}, missing: true},
		{read: store.Read{User: "ann", History: page(0, 2)}, version: -1, history: []int64{3, 2}},
		{read: store.Read{User: "ann", History: page(2, 2)}, version: -1, history: []int64{1}},
		{read: store.Read{User: "ann", History: page(1, 2)}, version: -1},
		{read: store.Read{User: "ann", History: page(0, 0)}, version: -1},
		{
			read: store.Read{User: "ann", Version: 1, History: page(99, 99)}, version: 1,
			document: `{"a": "é"}`, history: []int64{3, 2, 1},
		},
		{
			read: store.Read{User: "ann", Version: 9, History: page(0, 1)}, missing: true,
			history: []int64{3},
		},
		{read: store.Read{User: "bob"}, version: 1, document: `{"bob":1}`},
		{read: store.Read{User: "bob", Version: 2}, missing: true},
		{read: store.Read{User: "bob", History: page(0, 10)}, version: -1, history: []int64{1}},
		{read: store.Read{User: "gone"}, version: 2},
		{read: store.Read{User: "placeholder"}},
		{read: store.Read{User: "placeholder", Version: 1}, missing: true},
		{read: store.Read{User: "placeholder", History: page(0, 10)}, version: -1},
		{read: store.Read{User: "nobody"}},
		{read: store.Read{User: "nobody", Version: 1}, missing: true},
		{read: store.Read{User: "nobody", History: page(0, 10)}, version: -1},
	} {
		// Alone, and twice among others.
		batch := append(current("bob", "nobody"), c.read, store.Read{User: "bob", Version: 1},
			store.Read{User: "bob", History: page(0, 1)}, c.read)
		found := append(read(t, s, batch...), read(t, s, c.read)...)
		isDocument(t, "a neighbour", found[0].Document, 1, `{"bob":1}`)
		isDocument(t, "a neighbour", found[3].Document, 1, `{"bob":1}`)
		for _, f := range []store.Found{found[2], found[5], found[6]} {
			if errors.Is(f.Err, settings.ErrNotFound) != c.missing || (f.Err != nil) != c.missing {
				t.Errorf("%+v: %v", c.read, f.Err)
			}
			if c.missing || c.version < 0 {
				if !reflect.DeepEqual(f.Document, store.Document{}) {
					t.Errorf("%+v: has the document %+v", c.read, f.Document)
				}
			} else {
				isDocument(t, "read", f.Document, c.version, c.document)
			}
			if got := versions(f); !slices.Equal(got, c.history) {
				t.Errorf("%+v: has the versions %v, want %v", c.read, got, c.history)
			}
		}
	}
	if found := read(t, s); len(found) != 0 {
		t.Errorf("no reads return %v", found)
	}
}

// TestHistory: an entry has version, time, action and size, and that of a restore what it restored.
func TestHistory(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	written := write(t, s, replace(t, "ann", "1", `{"a": "é"}`), remove("ann", "2"),
		restore("ann", "3", 1), replace(t, "ann", "4", `{}`))
	conn := connect(t, url)
	want := []store.Entry{
		{Version: 4, Time: written[3].Modified, Operation: "replace", Size: 2},
		{Version: 3, Time: written[2].Modified, Operation: "restore", Restored: 1, Size: 11},
		{Version: 2, Time: written[1].Modified, Operation: "delete", Size: 0},
		{Version: 1, Time: written[0].Modified, Operation: "replace", Size: 11},
	}
	hasEntries := func() {
		t.Helper()
		page := &store.Page{Limit: 4}
		got := read(t, s, store.Read{User: "ann", History: page})[0].Entries
		if !reflect.DeepEqual(got, want) {
			t.Errorf("the history is\n%+v, want\n%+v", got, want)
		}
	}
	hasEntries()
	checkLog(t, conn)
	exec(t, conn, `update settings_log set size = 99 where version = 3`)
	want[1].Size = 99 // from the log: the document is not read
	hasEntries()

	// The current version can be read without its row in the log, too.
	exec(t, conn, `delete from settings_log where version > 1`)
	found := read(t, s, store.Read{User: "ann", Version: 4}, store.Read{User: "ann", Version: 3})
	if !reflect.DeepEqual(found[0].Document, written[3].Document) || found[0].Err != nil {
		t.Errorf("the current version: %+v", found[0])
	}
	if !errors.Is(found[1].Err, settings.ErrNotFound) {
		t.Errorf("another one: %+v", found[1])
	}
	write(t, s, remove("ann", "5"))
	exec(t, conn, `delete from settings_log`)
	isDocument(t, "the current version, deleted",
		read(t, s, store.Read{User: "ann", Version: 5})[0].Document, 5, "")
}
