package worker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	natstest "github.com/nats-io/nats-server/v2/test"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/outset-settings/outset/internal/localpg/pgtest"
	"github.com/outset-settings/outset/internal/worker"
	"github.com/outset-settings/outset/pkg/messages"
	"github.com/outset-settings/outset/pkg/store"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

var config = worker.Config{
	ReadLanes: 2, WriteLanes: 2, BatchSize: 512, QueueSize: 4096, QueueBytes: 32 << 20, DrainTimeout: 10 * time.Second,
}

// connect returns a connection to a NATS server of the test's own.
func connect(t *testing.T) *nats.Conn {
	t.Helper()
	options := natstest.DefaultTestOptions
	options.Port = -1
	server := natstest.RunServer(&options)
	t.Cleanup(server.WaitForShutdown)
	t.Cleanup(server.Shutdown)
	return dial(t, server.ClientURL())
}

func dial(t *testing.T, url string) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// open returns a store on a new database.
func open(t *testing.T) *store.Store {
	t.Helper()
	url := pgtest.ForTest(t)
	if err := store.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), url, config.Connections())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// start runs a worker beside nc until the test ends or stop is called.
func start(t *testing.T, nc *nats.Conn, s worker.Store, c worker.Config) (w *worker.Worker, stop func()) {
	t.Helper()
	w, err := worker.New(dial(t, nc.ConnectedUrl()), s, c, "1.2.3", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
	t.Cleanup(stop)
	eventually(t, "the worker is ready", func() bool { return w.Ready(t.Context()) == nil })
	return w, stop
}

// eventually waits for a condition, and fails the test if it takes absurdly long.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("in vain waited until", what)
		}
	}
}

// ask sends operations in one request.
func ask(t *testing.T, nc *nats.Conn, subject string, operations ...messages.Operation) messages.Reply {
	t.Helper()
	data, err := messages.EncodeRequest(messages.Request{Operations: operations})
	if err != nil {
		t.Fatal(err)
	}
	m, err := nc.Request(subject, data, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	r, err := messages.DecodeReply(m.Data, len(operations))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func read(user string) messages.Operation {
	return messages.Operation{Action: messages.ActionRead, User: user}
}

func replace(user, id, document string) messages.Operation {
	return messages.Operation{Action: messages.ActionReplace, User: user, ID: id, Document: []byte(document)}
}

func TestReadAndWrite(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	w, _ := start(t, nc, open(t), config)

	r := ask(t, nc, messages.WriteSubject, replace("ann", "1", `{"n":1}`), replace("ann", "2", `{"n":2}`), replace("bob", "1", `{}`))
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
	r = ask(t, nc, messages.Named(messages.ReadSubject, w.ID()), read("ann"))
	if got := r.Results[0]; got.Version != 2 {
		t.Errorf("asked by name: %+v", got)
	}
	// The same message again, as a network may deliver it.
	r = ask(t, nc, messages.WriteSubject, replace("ann", "1", `{"n":1}`))
	if got := r.Results[0]; got.Version != 1 || !got.Replayed {
		t.Errorf("the repetition: %+v", got)
	}
}

// TestBadNeighbours: in one request, what can't be done gets its kind and the rest is done.
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
		{"unknown action", messages.Operation{Action: 200, User: "bob", ID: "3"}, messages.KindMalformed},
		{"on the wrong subject", read("bob"), messages.KindMalformed},
		{"no user", replace("", "1", `{}`), messages.KindMalformed},
		{"no id", replace("bob", "", `{}`), messages.KindMalformed},
		{"NUL in the id", replace("bob", "a\x00", `{}`), messages.KindMalformed},
		{"too large", replace("bob", "4", `{"x":"`+strings.Repeat("x", messages.MaxDocument)+`"}`), messages.KindTooLarge},
		{"id of another write", replace("ann", "1", `{"other":1}`), ""}, // without a fingerprint there is no telling
	} {
		r := ask(t, nc, messages.WriteSubject, replace("first", "1", `{}`), c.o, replace("last", "1", `{}`))
		if got := r.Results[1]; got.Kind != c.want {
			t.Errorf("%s: %+v, want %q", c.name, got, c.want)
		}
		if a, b := r.Results[0], r.Results[2]; a.Kind != "" || a.Version != 1 || b.Kind != "" || b.Version != 1 {
			t.Errorf("%s: neighbours %+v and %+v", c.name, a, b)
		}
	}
	m, err := nc.Request(messages.ReadSubject, []byte("GET / HTTP/1.1"), 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := messages.DecodeReply(m.Data, 1); err != nil || r.Kind != messages.KindMalformed {
		t.Errorf("no request at all: %+v, %v", r, err)
	}
}

// TestRepliesFit: documents that don't fit into one reply are answered "ask again", the first never.
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
	rounds := 0
	for ; len(reads) > 0; rounds++ {
		var again []messages.Operation
		for i, r := range ask(t, nc, messages.ReadSubject, reads...).Results {
			switch {
			case r.Kind == messages.KindAskAgain && i > 0:
				again = append(again, reads[i])
			case r.Kind != "" || string(r.Document) != document:
				t.Fatalf("read %d: kind %q, %d bytes", i, r.Kind, len(r.Document))
			}
		}
		reads = again
	}
	if rounds != 3 { // 17 of them fit into a MiB
		t.Errorf("40 documents of 60 kB took %d replies of 1 MiB", rounds)
	}
}

// fakeStore stands in where the real one can't be made to misbehave at will.
type fakeStore struct {
	gate chan struct{} // reads wait for it
	err  error         // of reads
}

func (f *fakeStore) Ping(context.Context) error { return nil }

func (f *fakeStore) Read(_ context.Context, users []string) ([]store.Document, error) {
	<-f.gate
	return make([]store.Document, len(users)), f.err
}

func (f *fakeStore) Write(_ context.Context, writes []store.Write) []store.Written {
	return make([]store.Written, len(writes))
}

// TestOverloaded: past the bound of its queue the worker refuses at once, and what it
// has taken is answered all the same.
func TestOverloaded(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	fake := &fakeStore{gate: make(chan struct{})}
	c := config
	c.ReadLanes, c.QueueSize = 1, 3
	start(t, nc, fake, c)

	replies := make(chan messages.Reply, 10)
	sub, err := nc.Subscribe("replies", func(m *nats.Msg) {
		r, err := messages.DecodeReply(m.Data, 1)
		if err != nil {
			t.Error(err)
		}
		replies <- r
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	data, err := messages.EncodeRequest(messages.Request{Operations: []messages.Operation{read("ann")}})
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if err := nc.PublishRequest(messages.ReadSubject, "replies", data); err != nil {
			t.Fatal(err)
		}
	}
	refused := 0
	for range 5 { // one is under way or about to be, three wait, and not all come before the first has left
		r := <-replies
		if r.Kind != messages.KindOverloaded {
			t.Fatalf("before the store answers: %+v", r)
		}
		refused++
	}
	close(fake.gate)
	for range 5 {
		if r := <-replies; r.Kind == messages.KindOverloaded {
			refused++
		}
	}
	if refused > 7 {
		t.Errorf("%d of 10 were refused; a queue of 3 had room for more", refused)
	}
}

// TestDrain: a worker that is stopped answers what it has taken, whoever comes after goes
// elsewhere, and then it's gone from the service discovery.
func TestDrain(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	fake := &fakeStore{gate: make(chan struct{})}
	w, stop := start(t, nc, fake, config)

	const asked = 20
	answers := make(chan error, asked)
	data, err := messages.EncodeRequest(messages.Request{Operations: []messages.Operation{read("ann")}})
	if err != nil {
		t.Fatal(err)
	}
	for range asked {
		go func() {
			_, err := nc.Request(messages.ReadSubject, data, 10*time.Second)
			answers <- err
		}()
	}
	eventually(t, "all requests are taken", func() bool {
		s := stats(t, nc)
		return len(s) > 0 && s[0].inFlight == asked
	})

	stopped := make(chan struct{})
	go func() {
		stop()
		close(stopped)
	}()
	eventually(t, "the worker has left the queue group", func() bool {
		_, err := nc.Request(messages.WriteSubject, data, time.Second)
		return errors.Is(err, nats.ErrNoResponders)
	})
	if err := w.Ready(t.Context()); err == nil {
		t.Error("a stopping worker says that it is ready")
	}
	close(fake.gate)
	for range asked {
		if err := <-answers; err != nil {
			t.Errorf("a request that was taken: %v", err)
		}
	}
	<-stopped
	if left := stats(t, nc); len(left) != 0 {
		t.Errorf("still discovered: %+v", left)
	}
}

type figures struct {
	id, host                 string
	requests, errs, inFlight int
	average                  time.Duration
	lastError                string
}

// stats asks the service discovery, as `nats micro stats` does.
func stats(t *testing.T, nc *nats.Conn) []figures {
	t.Helper()
	m, err := nc.Request("$SRV.STATS.outset", nil, 5*time.Second)
	if errors.Is(err, nats.ErrNoResponders) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	var s micro.Stats
	if err := json.Unmarshal(m.Data, &s); err != nil {
		t.Fatal(err)
	}
	var all []figures
	for _, e := range s.Endpoints {
		var data worker.EndpointData
		if err := json.Unmarshal(e.Data, &data); err != nil {
			t.Fatal(err)
		}
		all = append(all, figures{
			id: s.ID, host: s.Metadata["host"], requests: e.NumRequests, errs: e.NumErrors,
			inFlight: int(data.InFlight), average: e.AverageProcessingTime, lastError: e.LastError,
		})
	}
	return all
}

// TestDiscovery: ping, info and stats answer on every scope, with figures that are true.
func TestDiscovery(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	w, _ := start(t, nc, open(t), config)
	for _, subject := range []string{"", ".outset", ".outset." + w.ID()} {
		for verb, kind := range map[string]string{"PING": "ping", "INFO": "info", "STATS": "stats"} {
			m, err := nc.Request("$SRV."+verb+subject, nil, 5*time.Second)
			if err != nil {
				t.Fatal(verb, subject, err)
			}
			var identity struct{ Name, ID, Version, Type string }
			if err := json.Unmarshal(m.Data, &identity); err != nil {
				t.Fatal(err)
			}
			if identity.Name != "outset" || identity.ID != w.ID() || identity.Version != "1.2.3" ||
				identity.Type != "io.nats.micro.v1."+kind+"_response" {
				t.Errorf("%s%s: %s", verb, subject, m.Data)
			}
		}
	}
	ask(t, nc, messages.ReadSubject, read("ann"), read("bob"), read(""))
	ask(t, nc, messages.WriteSubject, replace("ann", "1", `{}`))
	// The figures are taken before the reply is sent.
	got := stats(t, nc)
	if r := got[0]; r.requests != 3 || r.errs != 0 || r.inFlight != 0 || r.average <= 0 {
		t.Errorf("read: %+v", r) // the asker's own mistake is no error of the worker
	}
	if r := got[1]; r.requests != 1 || r.errs != 0 {
		t.Errorf("write: %+v", r)
	}
}

// TestFailuresAreCounted, and logged with the request's id, and not shown to the asker.
func TestFailuresAreCounted(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	fake := &fakeStore{gate: make(chan struct{}), err: fmt.Errorf("%w: password is secret", store.ErrUnavailable)}
	close(fake.gate)
	var log lockedBuffer
	w, err := worker.New(nc, fake, config, "1.2.3", slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	eventually(t, "the worker is ready", func() bool { return w.Ready(t.Context()) == nil })

	o := read("ann")
	o.RequestID = "request-7"
	r := ask(t, nc, messages.ReadSubject, o, read("bob")).Results[0]
	if r.Kind != messages.KindUnavailable || r.Detail != "" {
		t.Errorf("%+v", r)
	}
	if got := stats(t, nc)[0]; got.requests != 2 || got.errs != 2 || got.lastError != "unavailable" {
		t.Errorf("%+v", got)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if lines := log.String(); !strings.Contains(lines, "request_id=request-7") || !strings.Contains(lines, "password is secret") {
		t.Errorf("the log does not tell: %s", lines)
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	c := config
	c.QueueSize = 0
	if _, err := worker.New(nil, nil, c, "", slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "QUEUE_SIZE") {
		t.Errorf("a queue of 0: %v", err)
	}
}
