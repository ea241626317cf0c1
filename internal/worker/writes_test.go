package worker_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/pkg/messages"
)

// write is an operation on ann's settings, whose id is its number.
func write(n int, a messages.Action, f func(o *messages.Operation)) messages.Operation {
	o := messages.Operation{Action: a, User: "ann", ID: fmt.Sprint(n), Fingerprint: []byte{byte(n)}}
	f(&o)
	return o
}

func document(s string) func(o *messages.Operation) {
	return func(o *messages.Operation) { o.Document = []byte(s) }
}

func value(s string, path ...string) func(o *messages.Operation) {
	return func(o *messages.Operation) { o.Document, o.Path = []byte(s), path }
}

func version(n int64) func(o *messages.Operation) {
	return func(o *messages.Operation) { o.Version = n }
}

func quiet(o *messages.Operation) { o.Quiet = true }

func nothing(*messages.Operation) {}

func both(f, g func(o *messages.Operation)) func(o *messages.Operation) {
	return func(o *messages.Operation) { f(o); g(o) }
}

// event is one write in a life, and what comes of it.
type event struct {
	action messages.Action
	change func(o *messages.Operation)
	want   messages.Result // without version and time; the document is compared as JSON
	now    string          // the document after it; "": there is none
}

// life is what happens to ann's settings.
func life() []event {
	result := func(doc string) messages.Result { return messages.Result{Document: []byte(doc)} }
	return []event{
		{
			messages.ActionReplace, document(`{"theme":"dark","tags":["a"]}`),
			messages.Result{},
			`{"theme":"dark","tags":["a"]}`,
		},
		{
			messages.ActionMergePatch, document(`{"theme":null,"n":1}`),
			result(`{"tags":["a"],"n":1}`), `{"tags":["a"],"n":1}`,
		},
		{
			messages.ActionMergePatch, both(document(`{"n":2}`), quiet),
			messages.Result{},
			`{"tags":["a"],"n":2}`,
		},
		{
			messages.ActionJSONPatch, document(`[{"op":"add","path":"/m","value":3}]`),
			result(`{"tags":["a"],"n":2,"m":3}`), `{"tags":["a"],"n":2,"m":3}`,
		},
		{
			messages.ActionJSONPatch, both(document(`[{"op":"remove","path":"/m"}]`), quiet),
			messages.Result{},
			`{"tags":["a"],"n":2}`,
		},
		{
			messages.ActionSetValue, value(`"b"`, "tags", "-"),
			messages.Result{Created: true, Path: []string{"tags", "1"}},
			`{"tags":["a","b"],"n":2}`,
		},
		{messages.ActionSetValue, value(`4`, "n"), messages.Result{}, `{"tags":["a","b"],"n":4}`},
		{
			messages.ActionSetValue, value(`true`, "deep", "er"),
			messages.Result{Created: true},
			`{"tags":["a","b"],"n":4,"deep":{"er":true}}`,
		},
		{
			messages.ActionDeleteValue, value("", "deep"),
			messages.Result{},
			`{"tags":["a","b"],"n":4}`,
		},
		{
			messages.ActionReplace, document(`{"replaced":true}`),
			messages.Result{},
			`{"replaced":true}`,
		},
		{
			messages.ActionRestore, version(1), result(`{"theme":"dark","tags":["a"]}`),
			`{"theme":"dark","tags":["a"]}`,
		},
		{messages.ActionRestore, both(version(10), quiet), messages.Result{}, `{"replaced":true}`},
		{messages.ActionDelete, nothing, messages.Result{Absent: true}, ""},
		{
			messages.ActionRestore, version(13),
			messages.Result{Absent: true, Document: []byte(`{}`)},
			"",
		},
		{messages.ActionMergePatch, document(`{"again":1}`), result(`{"again":1}`), `{"again":1}`},
	}
}

// TestWrites: every action that writes, one after the other; the same once more, as repetitions;
// and what can be read of them.
func TestWrites(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	start(t, nc, open(t), config)
	before := time.Now().UnixMicro()
	var (
		first []messages.Result
		names []string
	)
	for i, c := range life() {
		n := i + 1
		o := write(n, c.action, c.change)
		got := do(t, nc, o)
		want := c.want
		want.Version, want.Modified, want.Document = int64(n), got.Modified,
			same(got.Document, want.Document)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("write %d, %v: got %s, want %s", n, c.action, show(got), show(want))
		}
		if got.Modified < before || got.Modified > time.Now().UnixMicro() {
			t.Errorf("write %d: modified at %d", n, got.Modified)
		}
		now := do(t, nc, read("ann"))
		wanted := messages.Result{
			Version: int64(n), Modified: got.Modified, Document: same(now.Document, []byte(c.now)),
		}
		if c.now == "" {
			wanted.Document, wanted.Absent = []byte(`{}`), true
		}
		if !reflect.DeepEqual(now, wanted) {
			t.Errorf("after write %d: %s, want %s", n, show(now), show(wanted))
		}
		first, names = append(first, got), append(names, c.action.String())
	}
	for i, c := range life() {
		want := first[i]
		want.Replayed = true
		if got := do(t, nc, write(i+1, c.action, c.change)); !reflect.DeepEqual(got, want) {
			t.Errorf("write %d again: got %s, want %s", i+1, show(got), show(want))
		}
	}
	history(t, nc, names, first)

	erased := do(t, nc, write(99, messages.ActionErase, nothing))
	if want := (messages.Result{
		Version: int64(len(first)) + 1, Modified: erased.Modified,
		Absent: true,
	}); !reflect.DeepEqual(erased, want) {
		t.Errorf("erased: got %s, want %s", show(erased), show(want))
	}
	if got := do(t, nc, messages.Operation{
		Action: messages.ActionReadVersion, User: "ann",
		Version: 1,
	}); got.Kind != messages.KindNotFound {
		t.Errorf("version 1 of who was erased: %s", show(got))
	}
}

// history expects that what was written can be read, all of it and in pages.
func history(t *testing.T, nc *nats.Conn, names []string, first []messages.Result) {
	t.Helper()
	var want []messages.Entry
	for i, name := range names {
		r := do(t, nc, messages.Operation{
			Action: messages.ActionReadVersion, User: "ann", Version: int64(i) + 1,
		})
		c := life()[i]
		doc := c.now
		if r.Kind != "" || r.Version != int64(i)+1 || r.Modified != first[i].Modified ||
			r.Absent != (doc == "") ||
			doc != "" && same(r.Document, []byte(doc)) == nil {
			t.Errorf("version %d: %s, want %q", i+1, show(r), doc)
		}
		e := messages.Entry{
			Version: int64(i) + 1, Time: first[i].Modified, Action: name,
			Size: int64(len(r.Document)),
		}
		if r.Absent {
			e.Size = 0
		}
		if c.action == messages.ActionRestore {
			e.Restored = write(i+1, c.action, c.change).Version
		}
		want = slices.Insert(want, 0, e)
	}
	ask := messages.Operation{
		Action: messages.ActionHistory, User: "ann", Limit: messages.MaxEntries,
	}
	if got := do(t, nc, ask); !reflect.DeepEqual(got, messages.Result{Entries: want}) {
		t.Errorf("the history:\n got %+v\nwant %+v", got, want)
	}
	ask.Limit, ask.Version = 3, 10
	at := len(want) - 9
	if got := do(t, nc, ask); !reflect.DeepEqual(got, messages.Result{Entries: want[at : at+3]}) {
		t.Errorf("three below 10:\n got %+v\nwant %+v", got, want[at:at+3])
	}
}

// same returns got if it is the same JSON as want, so that the two can be compared with the rest.
func same(got, want []byte) []byte {
	var g, w any
	if json.Unmarshal(got, &g) == nil && json.Unmarshal(want, &w) == nil &&
		reflect.DeepEqual(g, w) {
		return got
	}
	return want
}

func show(r messages.Result) string {
	return strings.ReplaceAll(fmt.Sprintf("%+v %s", r, r.Document), "\n", " ")
}

// TestFailedWrites: what can't be done to the document as it is, or at all, gets its kind and
// changes nothing.
func TestFailedWrites(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	start(t, nc, open(t), config)
	do(t, nc, write(1, messages.ActionReplace, document(`{"theme":"dark","tags":["a"]}`)))
	before := do(t, nc, read("ann"))
	for name, c := range map[string]struct {
		action messages.Action
		change func(o *messages.Operation)
		want   messages.Kind
	}{
		"a merge patch that is no JSON": {
			messages.ActionMergePatch, document(`{`), messages.KindMalformed,
		},
		"a merge patch to no object": {
			messages.ActionMergePatch, document(`[]`), messages.KindInvalid,
		},
		"a JSON patch that is no JSON": {
			messages.ActionJSONPatch, document(`[`), messages.KindMalformed,
		},
		"a JSON patch that is none": {
			messages.ActionJSONPatch, document(`[{"op":"explode"}]`), messages.KindMalformed,
		},
		"a JSON patch whose test fails": {
			messages.ActionJSONPatch, document(`[{"op":"test","path":"/theme","value":"light"}]`),
			messages.KindNotApplicable,
		},
		"a JSON patch to nowhere": {
			messages.ActionJSONPatch, document(`[{"op":"remove","path":"/nowhere"}]`),
			messages.KindNotApplicable,
		},
		"a JSON patch to no object": {
			messages.ActionJSONPatch, document(`[{"op":"replace","path":"","value":[]}]`),
			messages.KindInvalid,
		},
		"a patch that makes it too large": {
			messages.ActionMergePatch,
			document(`{"x":"` + strings.Repeat("x", config.MaxDocument-20) + `"}`),
			messages.KindTooLarge,
		},
		"a value that is no JSON": {
			messages.ActionSetValue, value(`dark`, "theme"), messages.KindMalformed,
		},
		"a value inside a string": {
			messages.ActionSetValue, value(`1`, "theme", "x"), messages.KindNotApplicable,
		},
		"a value far behind an array's end": {
			messages.ActionSetValue, value(`1`, "tags", "7"), messages.KindNotApplicable,
		},
		"a value that makes it too large": {
			messages.ActionSetValue, value(`"`+strings.Repeat("x", config.MaxDocument-20)+`"`, "x"),
			messages.KindTooLarge,
		},
		"no value to delete": {
			messages.ActionDeleteValue, value("", "nowhere"),
			messages.KindNotFound,
		},
		"no version to restore": {
			messages.ActionRestore, version(7),
			messages.KindNotFound,
		},
		"a replacement that is no JSON": {
			messages.ActionReplace, document(`{`), messages.KindMalformed,
		},
		"a replacement by no object": {
			messages.ActionReplace, document(`"x"`), messages.KindInvalid,
		},
		"the id of another write": {
			messages.ActionDelete, func(o *messages.Operation) { o.ID = "1" },
			messages.KindIDReused,
		},
	} {
		got := do(t, nc, write(2, c.action, c.change))
		if got.Kind != c.want || got.Detail == "" {
			t.Errorf("%s: %s, want %q and why", name, show(got), c.want)
		}
		got.Kind, got.Detail = "", ""
		if !reflect.DeepEqual(got, messages.Result{}) {
			t.Errorf("%s: what failed has a result: %s", name, show(got))
		}
	}
	if after := do(t, nc, read("ann")); !reflect.DeepEqual(after, before) {
		t.Errorf("changed: %s", show(after))
	}
	if got := do(t, nc, write(2, messages.ActionDelete, nothing)); got.Kind != "" || got.Replayed {
		t.Errorf("an id under which nothing was applied: %s", show(got))
	}
}
