package worker_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/outset-settings/outset/internal/localpg/pgtest"
	"github.com/outset-settings/outset/internal/worker"
	"github.com/outset-settings/outset/pkg/messages"
)

const sizes = `{"properties":{"size":{"type":"integer","maximum":100,"default":12}}}`

func putSchema(id, schema string) messages.Operation {
	return messages.Operation{Action: messages.ActionPutSchema, ID: id, Document: []byte(schema)}
}

// TestSchema: a write that breaks the schema is refused with all its violations.
func TestSchema(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	s := open(t)
	start(t, nc, s, config)
	readSchema := messages.Operation{Action: messages.ActionReadSchema}
	if r := do(t, nc, readSchema); r.Kind != messages.KindNotFound || r.Version != 0 {
		t.Errorf("before: %s", show(r))
	}
	r := do(t, nc, putSchema("0", `{"type":"size"}`))
	if r.Kind != messages.KindInvalidSchema || !strings.Contains(r.Detail, "/type") {
		t.Errorf("no schema: %s", show(r))
	}
	if r := do(t, nc, putSchema("0", `{"type":`)); r.Kind != messages.KindMalformed {
		t.Errorf("no JSON: %s", show(r))
	}
	put := do(t, nc, putSchema("1", sizes))
	if put.Kind != "" || put.Version != 1 {
		t.Fatalf("put: %s", show(put))
	}
	if r := do(t, nc, readSchema); string(r.Document) != sizes || r.Version != 1 ||
		r.Modified != put.Modified {
		t.Errorf("read: %s", show(r))
	}
	want := []messages.Violation{{Pointer: "/size", Reason: "must be an integer, not a string"}}
	for _, o := range []messages.Operation{
		replace("ann", "1", `{"size":"large"}`),
		{
			Action: messages.ActionMergePatch, User: "ann", ID: "2",
			Document: []byte(`{"size":"large"}`),
		},
		{
			Action: messages.ActionSetValue, User: "ann", ID: "3", Path: []string{"size"},
			Document: []byte(`"large"`),
		},
	} {
		if r := do(t, nc, o); r.Kind != messages.KindViolation ||
			!reflect.DeepEqual(r.Violations, want) || r.MoreViolations || r.Detail == "" {
			t.Errorf("action %d: %s, want %+v", o.Action, show(r), want)
		}
	}
	effective := messages.Operation{Action: messages.ActionReadEffective, User: "ann"}
	r = do(t, nc, effective)
	if string(r.Document) != `{"size":12}` || r.Version != 0 || r.Schema != 1 ||
		r.Modified != 0 || r.SchemaModified != put.Modified {
		t.Errorf("effective: %s", show(r))
	}
	w := do(t, nc, replace("ann", "4", `{"size":13}`))
	r = do(t, nc, effective)
	if string(r.Document) != `{"size":13}` || r.Version != 1 || r.Schema != 1 ||
		r.Modified != w.Modified {
		t.Errorf("effective, of her own: %s", show(r))
	}
	if r := do(t, nc, messages.Operation{
		Action: messages.ActionDeleteSchema,
		ID:     "2",
	}); r.Kind != "" || r.Version != 2 {
		t.Errorf("deleted: %s", show(r))
	}
	if r := do(t, nc, readSchema); r.Kind != messages.KindNotFound || r.Version != 2 {
		t.Errorf("after: %s", show(r))
	}
	if r := do(t, nc, replace("ann", "5", `{"size":"large"}`)); r.Kind != "" {
		t.Errorf("without a schema: %s", show(r))
	}
}

// TestTrySchema: a trial finds the documents that would break a schema, part by part, and doesn't
// put the schema.
func TestTrySchema(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	db, url := openAt(t)
	start(t, nc, db, config)
	for i := range 30 {
		do(t, nc, replace(fmt.Sprint("user ", 10+i), "1", fmt.Sprintf(`{"size":%d}`, 80+i)))
	}
	try := messages.Operation{
		Action: messages.ActionTrySchema, Document: []byte(sizes),
		List: &messages.Listing{Limit: 25},
	}
	first := do(t, nc, try)
	if first.Checked != 25 || first.Broken != 4 || len(first.Users) != 4 ||
		first.Next != "user 34" {
		t.Errorf("first: %s", show(first))
	}
	if u := first.Users[0]; u.ID != "user 31" || u.Version != 1 || len(u.Violations) != 1 ||
		u.Violations[0].Pointer != "/size" || u.Document != nil {
		t.Errorf("an example: %+v", u)
	}
	try.List.After = first.Next
	if r := do(t, nc, try); r.Checked != 5 || r.Broken != 5 || r.Next != "" {
		t.Errorf("last: %s", show(r))
	}
	_, err := pgtest.Connect(t, url).Exec(t.Context(),
		`update settings set document = '{"size":"\ud800"}' where user_id = 'user 39'`)
	if err != nil {
		t.Fatal(err)
	}
	if r := do(t, nc, try); r.Checked != 5 || r.Broken != 5 || r.Users[4].ID != "user 39" ||
		r.Users[4].Violations[0].Reason == "" {
		t.Errorf("with what SQL has put: %s", show(r))
	}
	try.Document = []byte(`{"$ref":"https://example.org/schema"}`)
	if r := do(t, nc, try); r.Kind != messages.KindInvalidSchema {
		t.Errorf("no schema: %s", show(r))
	}
	if r := do(t, nc, replace("ann", "1", `{"size":"large"}`)); r.Kind != "" {
		t.Errorf("it was put: %s", show(r))
	}
}

// TestTryingTakesTurns: a trial that takes long continues in the next part, so that other reads get
// their turn.
func TestTryingTakesTurns(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	// No time is left after the first document of a part.
	start(t, nc, open(t), config, func(w *worker.Worker) { w.SetMaxTrial(-1) })
	const users = 5
	for i := range users {
		do(t, nc, replace(fmt.Sprint("user ", i), "1", `{"size":1}`))
	}
	try := messages.Operation{
		Action: messages.ActionTrySchema, Document: []byte(sizes),
		List: &messages.Listing{Limit: 500},
	}
	for i := range users {
		r := do(t, nc, try)
		next := fmt.Sprint("user ", i)
		if i == users-1 {
			next = ""
		}
		if r.Kind != "" || r.Checked != 1 || r.Broken != 0 || r.Next != next {
			t.Fatalf("after %q: %s", try.List.After, show(r))
		}
		try.List.After = r.Next
	}
}
