package worker_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/outset-settings/outset/pkg/messages"
)

func readValue(user string, path ...string) messages.Operation {
	return messages.Operation{Action: messages.ActionReadValue, User: user, Path: path}
}

// TestReads: one request reads all that can be read, and each operation gets its own result.
func TestReads(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	start(t, nc, open(t), config)
	do(t, nc, replace("ann", "1", ` {"a/b": [10, {"é": null}], "": "empty"}`))
	w := do(t, nc, replace("ann", "2", `{"a/b": [10, {"é": null}], "": "empty", "n" : 1.50}`))
	limits := messages.Operation{Action: messages.ActionLimits}
	late := read("ann")
	late.Deadline = time.Now().Add(-time.Second).UnixMilli()
	found := func(document string) messages.Result {
		return messages.Result{Version: 2, Modified: w.Modified, Document: []byte(document)}
	}
	kind := func(k messages.Kind) messages.Result { return messages.Result{Kind: k} }
	cases := []struct {
		name string
		o    messages.Operation
		want messages.Result
	}{
		{"an element", readValue("ann", "a/b", "0"), found(`10`)},
		{"null", readValue("ann", "a/b", "1", "é"), found(`null`)},
		{"an array, as it is spelt", readValue("ann", "a/b"), found(`[10, {"é": null}]`)},
		{"an empty key", readValue("ann", ""), found(`"empty"`)},
		{"a number, as it is spelt", readValue("ann", "n"), found(`1.50`)},
		{"no key", readValue("ann", "x"), kind(messages.KindNotFound)},
		{"no element", readValue("ann", "a/b", "2"), kind(messages.KindNotFound)},
		{"behind the end", readValue("ann", "a/b", "-"), kind(messages.KindNotFound)},
		{"of nobody", readValue("nobody", "n"), kind(messages.KindNotFound)},
		{"the document", read("ann"), found(`{"a/b": [10, {"é": null}], "": "empty", "n" : 1.50}`)},
		{"nobody", read("nobody"), messages.Result{Document: []byte(`{}`), Absent: true}},
		{"too late", late, kind(messages.KindExpired)},
		{"no version", messages.Operation{
			Action: messages.ActionReadVersion, User: "ann",
			Version: 3,
		}, kind(messages.KindNotFound)},
		{"a version of nobody", messages.Operation{
			Action: messages.ActionReadVersion,
			User:   "nobody", Version: 1,
		}, kind(messages.KindNotFound)},
		{"a history of nobody", messages.Operation{
			Action: messages.ActionHistory, User: "nobody",
			Limit: 1,
		}, messages.Result{}},
		{"no path", readValue("ann"), kind(messages.KindMalformed)},
		{"a write", replace("ann", "3", `{}`), kind(messages.KindMalformed)},
		{
			"an unknown action",
			messages.Operation{Action: messages.LastAction + 1, User: "ann"},
			kind(messages.KindUnknownAction),
		},
		{
			"limits", limits,
			messages.Result{
				Document: []byte(`{"document":{"bytes":65536,"depth":32,"keys":10000,"keyBytes":256,"numberDigits":40},` +
					`"patch":{"depth":34,"copyBytes":262144},"schema":{"depth":128,"values":90000,"schemas":3000,"pointerBytes":524288,"patternBytes":4000,"patternGroups":10,"evaluations":10000,"chain":64,"work":200000},` +
					`"history":{"versions":100,"hours":24,"bytes":16777216}}`),
			},
		},
	}
	var all []messages.Operation
	for _, c := range cases {
		all = append(all, c.o)
	}
	for i, got := range ask(t, nc, messages.ReadSubject, all...).Results {
		want := cases[i].want
		if (got.Detail != "") != (want.Kind != "") {
			t.Errorf("%s: %s", cases[i].name, show(got))
		}
		got.Detail = ""
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %s, want %s", cases[i].name, show(got), show(want))
		}
	}
	// Alone, too: then nothing is left for the store.
	if got := do(t, nc, limits); !reflect.DeepEqual(got, cases[len(cases)-1].want) {
		t.Errorf("limits alone: %s", show(got))
	}
}

// TestNeighbours: operations that share a message don't affect each other's results, even if all
// are about one user.
func TestNeighbours(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	start(t, nc, open(t), config)
	lost := write(4, messages.ActionReplace, both(document(`{"lost":1}`), when(messages.Condition{
		Match: &messages.Versions{Listed: []messages.Tag{{Version: 1}}},
	})))
	all := []messages.Operation{
		write(1, messages.ActionReplace, document(`{"n":1,"tags":[]}`)),
		write(2, messages.ActionMergePatch, document(`{"n":2}`)),
		// fails: the second has changed n
		write(3, messages.ActionJSONPatch, document(`[{"op":"test","path":"/n","value":1}]`)),
		lost,
		write(5, messages.ActionSetValue, value(`"a"`, "tags", "-")),
		write(6, messages.ActionSetValue, value(`"b"`, "tags", "-")),
		write(2, messages.ActionMergePatch, document(`{"n":2}`)), // the second again
		write(7, messages.ActionMergePatch, document(`{`)),
		write(8, messages.ActionDelete, nothing),
		write(9, messages.ActionRestore, version(2)),
	}
	want := []string{
		"1 ", `2 {"n":2,"tags":[]}`, "patch-not-applicable 0 ",
		`precondition-failed 2 {"n":2,"tags":[]}`, "3  [tags 0]", "4  [tags 1]",
		`replayed 2 {"n":2,"tags":[]}`, "malformed 0 ", "5 ", `6 {"n":2,"tags":[]}`,
	}
	for i, r := range ask(t, nc, messages.WriteSubject, all...).Results {
		got := strings.TrimPrefix(fmt.Sprintf("%s %d %s", r.Kind, r.Version, r.Document), " ")
		if r.Replayed {
			got = "replayed " + got
		}
		if r.Path != nil {
			got += fmt.Sprint(" ", r.Path)
		}
		if got != want[i] {
			t.Errorf("write %d: got %q, want %q", i, got, want[i])
		}
	}
}

// TestLargestDocument: the largest document that can be configured can be written, read, and
// returned with a refusal.
func TestLargestDocument(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	c := config
	c.MaxDocument = messages.MaxDocument
	start(t, nc, open(t), c)
	const frame = `{"x":""}`
	largest := `{"x":"` + strings.Repeat("x", messages.MaxDocument-len(frame)) + `"}`
	if r := do(t, nc, write(1, messages.ActionReplace, document(largest))); r.Kind != "" ||
		r.Version != 1 {
		t.Fatalf("written: %q %q", r.Kind, r.Detail)
	}
	for name, o := range map[string]messages.Operation{
		"read":    read("ann"),
		"patched": write(2, messages.ActionMergePatch, document(`{}`)),
		"refused": write(3, messages.ActionDelete,
			when(messages.Condition{NoneMatch: &messages.Versions{Any: true}})),
		"restored": write(4, messages.ActionRestore, version(1)),
	} {
		if r := do(t, nc, o); string(r.Document) != largest {
			t.Errorf("%s: %q %q, %d bytes", name, r.Kind, r.Detail, len(r.Document))
		}
	}
	r := do(t, nc, write(5, messages.ActionSetValue, value(`1`, "y")))
	if r.Kind != messages.KindTooLarge {
		t.Errorf("a byte more: %q %q", r.Kind, r.Detail)
	}
}

// TestValueCostsItsDocument: who reads a value pays for the document that is fetched for it.
func TestValueCostsItsDocument(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	start(t, nc, open(t), config)
	const size = 60_000
	do(t, nc, replace("ann", "1", `{"n":1,"long":"`+strings.Repeat("x", size)+`"}`))
	m, err := nc.Request(messages.ReadSubject, encode(t, readValue("ann", "n")), deadline)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := messages.DecodeReply(m.Data, 1)
	if err != nil || string(reply.Results[0].Document) != "1" {
		t.Fatalf("%+v, %v", reply, err)
	}
	if got := reply.Results[0].Cost(); got < messages.FetchCost(size) {
		t.Errorf("it costs %v, want %v at least", got, messages.FetchCost(size))
	}
}
