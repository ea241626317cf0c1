package worker_test

import (
	"encoding/json"
	"strconv"
	"testing"

	"github.com/nats-io/nats.go/micro"

	"github.com/outset-settings/outset/pkg/messages"
)

// TestOlderGeneration: a worker that knows fewer actions says so, refuses the others and does what
// it knows, also beside them in one request.
func TestOlderGeneration(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	older := config
	older.LastAction = messages.ActionReplace
	start(t, nc, open(t), older)
	m, err := nc.Request("$SRV.PING.outset", nil, deadline)
	if err != nil {
		t.Fatal(err)
	}
	var pong micro.Ping
	if err := json.Unmarshal(m.Data, &pong); err != nil {
		t.Fatal(err)
	}
	if got := pong.Metadata[messages.ActionsKey]; got != strconv.Itoa(int(messages.ActionReplace)) {
		t.Errorf("it announces %q", got)
	}
	patch := messages.Operation{
		Action: messages.ActionMergePatch, User: "ann", ID: "2", Document: []byte(`{"n":2}`),
	}
	r := ask(t, nc, messages.WriteSubject, patch, replace("ann", "1", `{"n":1}`)).Results
	if r[0].Kind != messages.KindUnknownAction || r[0].Detail == "" {
		t.Errorf("what it does not know: %s", show(r[0]))
	}
	if r[1].Kind != "" || r[1].Version != 1 {
		t.Errorf("what it knows: %s", show(r[1]))
	}
	if got := do(t, nc, read("ann")); string(got.Document) != `{"n":1}` {
		t.Errorf("the refused patch did something: %s", show(got))
	}
}
