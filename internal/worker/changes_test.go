package worker_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/pkg/messages"
)

// TestChanges: each version of a user is published on that user's subject, once it is committed,
// and nothing else is.
func TestChanges(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	start(t, nc, open(t), config)
	changes, err := nc.SubscribeSync("settings.v1.changed.>")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	publish := func(o messages.Operation) {
		r := do(t, nc, o)
		if r.Kind == "" && o.User != "" {
			want = append(want, fmt.Sprintln(messages.ChangedSubject(o.User),
				messages.Changed{Version: r.Version, Modified: r.Modified, Absent: r.Absent}))
		}
	}
	publish(replace("ann", "1", `{"a":1}`))
	// again: the worker that applied it may have died before
	publish(replace("ann", "1", `{"a":1}`))
	publish(messages.Operation{
		Action: messages.ActionMergePatch, User: "ann", ID: "2", Document: []byte(`{}`),
	})
	publish(replace("a > b.*", "1", `{}`))
	publish(messages.Operation{Action: messages.ActionPutSchema, ID: "1", Document: []byte(`{}`)})
	publish(replace("ann", "3", `{"a":`))
	publish(messages.Operation{
		Action: messages.ActionJSONPatch, User: "ann", ID: "4",
		Document: []byte(`[{"op":"remove","path":"/b"}]`),
	})
	publish(messages.Operation{Action: messages.ActionDelete, User: "ann", ID: "5"})
	publish(messages.Operation{Action: messages.ActionErase, User: "ann", ID: "6"})
	var got []string
	for range want {
		m, err := changes.NextMsg(deadline)
		if err != nil {
			t.Fatalf("%v; published were %q", err, got)
		}
		got = append(got, shown(t, m))
	}
	if !slices.Equal(got, want) {
		t.Errorf("published were\n%q, want\n%q", got, want)
	}
	if n, _, _ := changes.Pending(); n > 0 {
		t.Errorf("%d changes too many", n)
	}
}

func shown(t *testing.T, m *nats.Msg) string {
	t.Helper()
	c, err := messages.DecodeChanged(m.Data)
	if err != nil {
		t.Error(err)
	}
	return fmt.Sprintln(m.Subject, c)
}

// TestListings: users with and without their documents, part by part, as large as a message.
func TestListings(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	start(t, nc, open(t), config)
	ann := do(t, nc, replace("ann", "1", ` {"a":1}`))
	do(t, nc, replace("bob", "1", `{}`))
	list := func(l messages.Listing) messages.Result {
		return do(t, nc, messages.Operation{Action: messages.ActionListUsers, List: &l})
	}
	if got, want := show(list(messages.Listing{Limit: 1})),
		show(messages.Result{Users: []messages.User{{
			ID: "ann", Version: 1,
			Modified: ann.Modified,
		}}, Next: "ann"}); got != want {
		t.Errorf("first: %s, want %s", got, want)
	}
	if got := list(messages.Listing{Limit: 1, After: "bob"}); len(got.Users) != 0 ||
		got.Next != "" {
		t.Errorf("after the last: %s", show(got))
	}
	got := list(messages.Listing{Limit: 500, Documents: true})
	if len(got.Users) != 2 || string(got.Users[0].Document) != ` {"a":1}` || got.Next != "" {
		t.Errorf("with documents: %s", show(got))
	}
	if got := list(messages.Listing{
		Limit: 500,
		Since: time.Now().Add(time.Hour).UnixMicro(),
	}); len(got.Users) != 0 || got.Next != "" {
		t.Errorf("since later: %s", show(got))
	}
	number := do(t, nc, messages.Operation{Action: messages.ActionReadNumber, User: "ann"})
	if show(number) != show(messages.Result{Version: 1, Modified: ann.Modified}) {
		t.Errorf("the number: %s", show(number))
	}
}
