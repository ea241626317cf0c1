package worker_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/outset-settings/outset/pkg/messages"
)

func when(c messages.Condition) func(o *messages.Operation) {
	return func(o *messages.Operation) { o.If = &c }
}

// TestConditions: every part of a condition is checked, and a refusal has the current document.
func TestConditions(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	start(t, nc, open(t), config)
	do(t, nc, write(1, messages.ActionReplace, document(`{"n":1}`)))
	at := do(t, nc, read("ann"))
	second := at.Modified / 1e6
	listed := func(numbers ...int64) *messages.Versions {
		v := new(messages.Versions)
		for _, n := range numbers {
			v.Listed = append(v.Listed, messages.Tag{Version: n})
		}
		return v
	}
	tagged := func(t messages.Tag) *messages.Versions {
		return &messages.Versions{Listed: []messages.Tag{t}}
	}
	then := messages.Tag{Version: 1, Modified: at.Modified - 1}
	anything := &messages.Versions{Any: true}
	n := 1
	for name, c := range map[string]struct {
		condition messages.Condition
		holds     bool
	}{
		"none":              {messages.Condition{}, true},
		"match":             {messages.Condition{Match: listed(7, 1)}, true},
		"match the tag":     {messages.Condition{Match: tagged(at.Tag())}, true},
		"match then":        {messages.Condition{Match: tagged(then)}, false},
		"none match then":   {messages.Condition{NoneMatch: tagged(then)}, true},
		"match another":     {messages.Condition{Match: listed(7)}, false},
		"match nothing":     {messages.Condition{Match: listed()}, false},
		"match any":         {messages.Condition{Match: anything}, true},
		"none match":        {messages.Condition{NoneMatch: listed(1)}, false},
		"none match others": {messages.Condition{NoneMatch: listed(0, 2)}, true},
		"none match any":    {messages.Condition{NoneMatch: anything}, false},
		"unmodified":        {messages.Condition{UnmodifiedSince: second}, true},
		"modified":          {messages.Condition{UnmodifiedSince: second - 1}, false},
		"both":              {messages.Condition{Match: listed(1), NoneMatch: anything}, false},
	} {
		n++
		// The patch is reached only if the condition holds, and as it doesn't apply the version
		// stays as it is.
		o := write(n, messages.ActionJSONPatch,
			both(document(`[{"op":"test","path":"/n","value":2}]`), when(c.condition)))
		want := messages.Result{Kind: messages.KindNotApplicable}
		if !c.holds {
			want = messages.Result{
				Kind: messages.KindPrecondition, Version: 1, Modified: at.Modified,
				Document: []byte(`{"n":1}`),
			}
		}
		got := do(t, nc, o)
		want.Detail = got.Detail
		if !reflect.DeepEqual(got, want) || got.Detail == "" {
			t.Errorf("%s: got %s, want %s", name, show(got), show(want))
		}
	}
	for name, action := range map[string]messages.Action{
		"merge": messages.ActionMergePatch, "patch": messages.ActionJSONPatch,
		"delete": messages.ActionDelete, "set": messages.ActionSetValue,
		"delete value": messages.ActionDeleteValue, "restore": messages.ActionRestore,
		"erase": messages.ActionErase, "replace": messages.ActionReplace,
	} {
		n++
		o := write(n, action, both(quiet, when(messages.Condition{Match: listed(7)})))
		o.Path, o.Version, o.Document = []string{"n"}, 1, []byte(`{}`)
		if action == messages.ActionJSONPatch {
			o.Document = []byte(`[]`)
		}
		got := do(t, nc, o)
		if want := (messages.Result{
			Kind: messages.KindPrecondition, Version: 1,
			Modified: at.Modified, Detail: got.Detail,
		}); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %s, want %s", name, show(got), show(want))
		}
	}
	if got := do(t, nc, read("ann")); !reflect.DeepEqual(got, at) {
		t.Errorf("changed: %s", show(got))
	}
}

// TestConditionsOfRepetitions: the id is checked before the condition, so a repetition gets the
// first result and not that its condition no longer holds.
func TestConditionsOfRepetitions(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	start(t, nc, open(t), config)
	create := write(1, messages.ActionReplace, both(document(`{"n":1}`), when(messages.Condition{
		NoneMatch: &messages.Versions{Any: true},
	})))
	first := do(t, nc, create)
	if first.Kind != "" || first.Version != 1 {
		t.Fatalf("created: %s", show(first))
	}
	first.Replayed = true
	if got := do(t, nc, create); !reflect.DeepEqual(got, first) {
		t.Errorf("again: got %s, want %s", show(got), show(first))
	}
	create.ID = "2"
	if got := do(t, nc, create); got.Kind != messages.KindPrecondition || got.Version != 1 ||
		got.Absent {
		t.Errorf("another: %s", show(got))
	}
	// Zero stands for "there is no document", also after deletion.
	do(t, nc, write(3, messages.ActionDelete, nothing))
	absent := when(messages.Condition{Match: &messages.Versions{Any: true}})
	got := do(t, nc, write(4, messages.ActionDelete, absent))
	if got.Kind != messages.KindPrecondition || got.Version != 2 || !got.Absent ||
		string(got.Document) != `{}` {
		t.Errorf("nothing to delete: %s", show(got))
	}
	again := when(messages.Condition{Match: &messages.Versions{Listed: []messages.Tag{{}}}})
	got = do(t, nc, write(5, messages.ActionReplace, both(document(`{}`), again)))
	if got.Kind != "" || got.Version != 3 {
		t.Errorf("where there is none: %s", show(got))
	}
}

// TestIssuedBeforeErased: a write that was on its way when the user was erased is refused.
func TestIssuedBeforeErased(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	start(t, nc, open(t), config)
	issued := time.Now().UnixMicro()
	o := write(1, messages.ActionReplace, document(`{"n":1}`))
	o.Issued = issued
	if got := do(t, nc, o); got.Kind != "" {
		t.Fatalf("%s", show(got))
	}
	erased := do(t, nc, write(2, messages.ActionErase, nothing))
	if erased.Kind != "" || erased.Version != 2 {
		t.Fatalf("%s", show(erased))
	}
	if got := do(t, nc, o); !got.Kind.Temporary() {
		t.Errorf("from before: %s, want a failure that surely applied nothing", show(got))
	}
	if got := do(t, nc, read("ann")); !got.Absent || got.Version != 2 {
		t.Errorf("%s", show(got))
	}
	o.Issued = erased.Modified + 1e6
	if got := do(t, nc, o); got.Kind != "" || got.Version != 3 {
		t.Errorf("a new beginning: %s", show(got))
	}
}
