package worker_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/outset-settings/outset/pkg/messages"
)

func TestReadAndWrite(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	w, _ := start(t, nc, open(t), config)

	r := ask(t, nc, messages.WriteSubject, replace("ann", "1", `{"n":1}`),
		replace("ann", "2", `{"n":2}`), replace("bob", "1", `{}`))
	if r.Worker != w.ID() {
		t.Errorf("the reply is from %q, want %q", r.Worker, w.ID())
	}
	for i, want := range []int64{1, 2, 1} {
		if got := r.Results[i]; got.Kind != "" || got.Version != want {
			t.Errorf("write %d: %+v, want version %d", i, got, want)
		}
	}
	r = ask(t, nc, messages.ReadSubject, read("ann"), read("nobody"))
	if got := r.Results[0]; got.Version != 2 || string(got.Document) != `{"n":2}` {
		t.Errorf("ann: %+v", got)
	}
	if got := r.Results[1]; got.Version != 0 || string(got.Document) != `{}` {
		t.Errorf("nobody: %+v", got)
	}
	r = ask(t, nc, messages.WorkerSubject(messages.ReadSubject, w.ID()), read("ann"))
	if got := r.Results[0]; got.Version != 2 {
		t.Errorf("on its own subject: %+v", got)
	}
	// The same message again, as a network may deliver it.
	r = ask(t, nc, messages.WriteSubject, replace("ann", "1", `{"n":1}`))
	if got := r.Results[0]; got.Version != 1 || !got.Replayed {
		t.Errorf("the repetition: %+v", got)
	}
}

// TestBadNeighbours: an operation that can't be done gets its kind, and the others of the request
// are done.
func TestBadNeighbours(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	start(t, nc, open(t), config)

	late := replace("late", "1", `{}`)
	late.Deadline = time.Now().Add(-time.Second).UnixMilli()
	for _, c := range []struct {
		name string
		o    messages.Operation
		want messages.Kind
	}{
		{"good", replace("ann", "1", `{}`), ""},
		{"no JSON", replace("bob", "1", `{`), messages.KindMalformed},
		{"no object", replace("bob", "2", `[]`), messages.KindInvalid},
		{"late", late, messages.KindExpired},
		{
			"unknown action",
			messages.Operation{Action: 200, User: "bob", ID: "3"},
			messages.KindUnknownAction,
		},
		{"on the wrong subject", read("bob"), messages.KindMalformed},
		{"no user", replace("", "1", `{}`), messages.KindMalformed},
		{"no id", replace("bob", "", `{}`), messages.KindMalformed},
		{"NUL in the id", replace("bob", "a\x00", `{}`), messages.KindMalformed},
		{
			"over the contract's limit",
			replace("bob", "4", `{"x":"`+strings.Repeat("x", messages.MaxDocument)+`"}`),
			messages.KindTooLarge,
		},
		{
			"over the worker's limit",
			replace("bob", "5", `{"x":"`+strings.Repeat("x", config.MaxDocument)+`"}`),
			messages.KindTooLarge,
		},
		{
			"too deep",
			replace("bob", "6", `{"x":`+strings.Repeat("[", 40)+strings.Repeat("]", 40)+`}`),
			messages.KindMalformed,
		},
		// without fingerprints two writes with the same id can't be told apart
		{"id of another write", replace("ann", "1", `{"other":1}`), ""},
	} {
		r := ask(t, nc, messages.WriteSubject, replace("first", "1", `{}`), c.o,
			replace("last", "1", `{}`))
		if got := r.Results[1]; got.Kind != c.want {
			t.Errorf("%s: %+v, want %q", c.name, got, c.want)
		}
		if a, b := r.Results[0], r.Results[2]; a.Kind != "" || a.Version != 1 || b.Kind != "" ||
			b.Version != 1 {
			t.Errorf("%s: neighbours %+v and %+v", c.name, a, b)
		}
	}
	m, err := nc.Request(messages.ReadSubject, []byte("GET / HTTP/1.1"), deadline)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := messages.DecodeReply(m.Data, 1); err != nil || r.Kind != messages.KindMalformed {
		t.Errorf("no request at all: %+v, %v", r, err)
	}
}

// TestRepliesFit: results that don't fit into one reply come in several.
func TestRepliesFit(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	start(t, nc, open(t), config)

	document := `{"x":"` + strings.Repeat("x", 60_000) + `"}`
	var reads []messages.Operation
	for i := range 40 {
		user := fmt.Sprint("user", i)
		ask(t, nc, messages.WriteSubject, replace(user, "1", document))
		reads = append(reads, read(user))
	}
	replies := send(t, nc, reads...)
	seen := make(map[int]bool)
	parts := 0
	for ; len(seen) < len(reads); parts++ {
		r := nextReply(t, replies, len(reads))
		for n, i := range r.Of {
			if string(r.Results[n].Document) != document || seen[i] {
				t.Fatalf("read %d: kind %q, %d bytes", i, r.Results[n].Kind,
					len(r.Results[n].Document))
			}
			seen[i] = true
		}
	}
	if parts != 3 { // 17 of them fit into a MiB
		t.Errorf("40 documents of 60 kB took %d replies of 1 MiB", parts)
	}
}

// TestRepliesHaveProofs: each reply tells which request it answers, also one that says that the
// worker is at it, and a refusal.
func TestRepliesHaveProofs(t *testing.T) {
	t.Parallel()
	for name, secret := range map[string][]byte{"none": nil, "secret": messages.NewSecret()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nc := connect(t)
			fake := &fakeStore{gate: make(chan struct{})}
			start(t, nc, fake, config)
			request := messages.Request{Secret: secret}
			empty, err := messages.EncodeRequest(request)
			if err != nil {
				t.Fatal(err)
			}
			request.Operations = []messages.Operation{read("ann")}
			good, err := messages.EncodeRequest(request)
			if err != nil {
				t.Fatal(err)
			}
			replies, err := nc.SubscribeSync(nc.NewInbox())
			if err != nil {
				t.Fatal(err)
			}
			next := func() messages.Reply {
				m, err := replies.NextMsg(deadline)
				if err != nil {
					t.Fatal(err)
				}
				r := decode(t, m, 1)
				if !bytes.Equal(r.Proof, request.Proof()) {
					t.Errorf("%+v; want the proof %x", r, request.Proof())
				}
				return r
			}
			for _, data := range [][]byte{empty, good} {
				if err := nc.PublishRequest(messages.ReadSubject, replies.Subject, data); err != nil {
					t.Fatal(err)
				}
				r := next()
				if bytes.Equal(data, empty) {
					if r.Kind != messages.KindMalformed {
						t.Errorf("no operation: %+v", r)
					}
					continue
				}
				if !r.Working {
					t.Errorf("while it waits for the store: %+v", r)
				}
				close(fake.gate)
				for r.Working {
					r = next()
				}
			}
		})
	}
}
