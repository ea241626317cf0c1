package queue_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/outset-settings/outset/internal/queue"
	"github.com/outset-settings/outset/pkg/messages"
)

// pong is an answer to a count.
func pong(t testing.TB, name, id string, metadata map[string]string) []byte {
	t.Helper()
	data, err := json.Marshal(micro.Ping{ServiceIdentity: micro.ServiceIdentity{
		Name: name, ID: id, Metadata: metadata,
	}})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

var all = map[string]string{messages.ActionsKey: "255"}

// TestForgedWorkers: whoever answers a count in the place of workers, with whatever and however
// often, costs a bounded amount of memory, and the real worker is found.
func TestForgedWorkers(t *testing.T) {
	t.Parallel()
	s := newSystem(t, shortTimeout)
	forged := [][]byte{
		pong(t, "outset", strings.Repeat("w", 5000), all), pong(t, "outset", "a.b", all),
		pong(t, "outset", ">", all), pong(t, "outset", "", all), []byte("no JSON"),
		pong(t, "other", "w", all), make([]byte, 1<<20),
	}
	for i := range 3 * queue.MaxMembers {
		forged = append(forged, pong(t, "outset", fmt.Sprint("forged", i), all))
	}
	attacker := s.dial()
	if _, err := attacker.Subscribe("$SRV.PING.outset", func(m *nats.Msg) {
		for _, data := range forged {
			_ = m.Respond(data)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := attacker.Flush(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "there are as many as there may be", func() bool {
		return s.Members() == queue.MaxMembers
	})
	var asked atomic.Int32
	s.startWorker(messages.ReadSubject, worker{
		id: "w", answer: answers(&asked, nil, one(messages.Result{Version: 1})),
	})
	want(t, s.Read(read(timeout)), "") // after its silence a forged one may be asked, in vain
	if n := s.Members(); n != queue.MaxMembers {
		t.Errorf("%d workers are known", n)
	}
}

func TestDecodePong(t *testing.T) {
	t.Parallel()
	id, knows, err := queue.DecodePong(pong(t, "outset", "w", map[string]string{"actions": "7"}))
	if id != "w" || knows != 7 || err != nil {
		t.Errorf("%q knows %d, %v", id, knows, err)
	}
	for _, actions := range []string{"", "-1", "256", "many"} {
		_, knows, err := queue.DecodePong(pong(t, "outset", "w",
			map[string]string{"actions": actions}))
		if knows != 0 || err != nil {
			t.Errorf("%q: it knows %d, %v", actions, knows, err)
		}
	}
	large := pong(t, "outset", "w", map[string]string{"x": strings.Repeat("x", 5000)})
	if id, _, err := queue.DecodePong(large); err == nil {
		t.Errorf("a large one was taken: %q", id)
	}
}

// FuzzDecodePong: what is taken for a worker may be a part of a subject.
func FuzzDecodePong(f *testing.F) {
	f.Add(pong(f, "outset", "w", all))
	f.Add(pong(f, "outset", "a.b", nil))
	f.Add(pong(f, "other", "w", nil))
	f.Add([]byte(`{"name":"outset","id":"w","metadata":{"actions":{}}}`))
	f.Add([]byte(`[`))
	f.Fuzz(func(t *testing.T, data []byte) {
		id, _, err := queue.DecodePong(data)
		if (err == nil) != (messages.CheckWorker(id) == nil) {
			t.Errorf("%q, %v", id, err)
		}
	})
}

// TestRepliesToOtherRequests: whoever hears where replies go can have a worker send the replies to
// requests of their own there. They are not taken, however many come and whatever they say.
func TestRepliesToOtherRequests(t *testing.T) {
	t.Parallel()
	s := newSystem(t, timeout)
	other := messages.Request{Secret: messages.NewSecret()}
	wrong := []messages.Result{{Version: 666, Document: []byte(`{"of":"another user"}`)}}
	s.startRaw(messages.ReadSubject, "w", func(m *nats.Msg) {
		for _, proof := range [][]byte{nil, {}, other.Proof()} {
			for _, r := range []messages.Reply{
				{Results: wrong},
				{Results: wrong, Of: []int{0}},
				{Results: append(wrong, wrong...)}, // of more than was asked for
				{Kind: messages.KindMalformed},
				{Kind: messages.KindNotFound},
				{Working: true},
			} {
				r.Worker, r.Proof = "w", proof
				send(t, m, r)
			}
		}
		_ = m.Respond([]byte("no reply"))
		respond(t, m, messages.Reply{Worker: "w", Results: []messages.Result{{Version: 7}}})
	})
	if r := s.Read(read(timeout)); r.Kind != "" || r.Version != 7 || r.Document != nil {
		t.Errorf("%+v", r)
	}
}
