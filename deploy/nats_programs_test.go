package deploy_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/outset-settings/outset/internal/api"
	"github.com/outset-settings/outset/internal/localpg/pgtest"
	"github.com/outset-settings/outset/internal/testlog"
	"github.com/outset-settings/outset/internal/worker"
	"github.com/outset-settings/outset/pkg/messages"
)

var apiConfig = api.Config{
	HTTPAddr: "127.0.0.1:0", RequestTimeout: patience, WorkerGrace: patience, ReadTimeout: patience,
	IdleTimeout: patience, MaxDocument: 64 << 10, MaxConnections: 100, MaxWatchers: 100,
	EventsHeartbeat: time.Hour, // what a watcher sees came over NATS
}

var workerConfig = worker.Config{
	DrainTimeout: patience, MaxDocument: 64 << 10, MaxDepth: 32, MaxKeys: 10_000,
	HistoryVersions: 100, HistoryBytes: 16 << 20, HistoryAge: 24 * time.Hour,
}

// run runs a part of the system until the end of the test.
func run(t *testing.T, part func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- part(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func startWorker(t *testing.T, q queue, database string, log *testlog.Buffer) *worker.Service {
	t.Helper()
	connect := func(name string, options ...nats.Option) (*nats.Conn, error) {
		return q.as("worker").Connect(name, log.Logger(), options...)
	}
	w, err := worker.Open(t.Context(), database, connect, workerConfig, "1.2.3", log.Logger())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	run(t, w.Run)
	eventually(t, "the worker is ready", func() bool { return w.Ready(t.Context()) == nil })
	return w
}

func startAPI(t *testing.T, q queue, log *testlog.Buffer) (base string) {
	t.Helper()
	nc, err := api.Connect(func(name string, options ...nats.Option) (*nats.Conn, error) {
		return q.as("api").Connect(name, log.Logger(), options...)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	a, err := api.Listen(nc, apiConfig, log.Logger())
	if err != nil {
		t.Fatal(err)
	}
	run(t, a.Run)
	eventually(t, "the API is ready", func() bool { return a.Ready(t.Context()) == nil })
	return "http://" + a.Addr()
}

// send sends a request, and returns the open body of an answer that must be 200.
func send(t *testing.T, method, url, body string) io.ReadCloser {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(answer.Body)
		t.Fatalf("%s %s: %d %s", method, url, answer.StatusCode, text)
	}
	return answer.Body
}

func call(t *testing.T, method, url, body string) string {
	t.Helper()
	answer := send(t, method, url, body)
	defer func() { _ = answer.Close() }()
	text, err := io.ReadAll(answer)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestProgramsUnderPermissions: what API, workers and operators do is allowed to them.
func TestProgramsUnderPermissions(t *testing.T) {
	q := serve(t)
	database := pgtest.ForTest(t)
	var log testlog.Buffer
	first, second := startWorker(t, q, database, &log), startWorker(t, q, database, &log)
	base := startAPI(t, q, &log) // it has counted the workers

	events := send(t, http.MethodGet, base+"/user/42/events", "")
	defer func() { _ = events.Close() }()
	call(t, http.MethodPut, base+"/user/42/settings", `{"theme":"dark"}`)
	if got := call(t, http.MethodGet, base+"/user/42/settings", ""); got != `{"theme":"dark"}` {
		t.Errorf("read: %s", got)
	}
	for lines := bufio.NewScanner(events); ; {
		if !lines.Scan() {
			t.Fatalf("the stream ended without the change: %v", lines.Err())
		}
		if strings.HasPrefix(lines.Text(), "id: 1-") {
			break
		}
	}
	for _, w := range []*worker.Service{first, second} {
		askDirectly(t, q, w.ID())
	}
	countAsOperator(t, q, 2)
	if strings.Contains(strings.ToLower(log.String()), "permission") {
		t.Errorf("something was not allowed: %s", &log)
	}
}

// askDirectly asks one worker, as an API does that has had no answer from another.
func askDirectly(t *testing.T, q queue, id string) {
	t.Helper()
	options, err := q.as("api").Options()
	if err != nil {
		t.Fatal(err)
	}
	options = append(options, nats.CustomInboxPrefix(messages.APIInbox), nats.Timeout(time.Minute))
	nc, err := nats.Connect(q.url, options...)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	request, err := messages.EncodeRequest(messages.Request{Operations: []messages.Operation{
		{Action: messages.ActionRead, User: "42"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	inbox := nc.NewInbox()
	replies, err := nc.SubscribeSync(inbox)
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.PublishRequest(messages.WorkerSubject(messages.ReadSubject, id), inbox,
		request); err != nil {
		t.Fatal(err)
	}
	reply := messages.Reply{Working: true}
	for reply.Working && err == nil {
		var m *nats.Msg
		if m, err = replies.NextMsg(patience); err == nil {
			reply, err = messages.DecodeReply(m.Data, 1)
		}
	}
	if err != nil || reply.Worker != id || reply.Results[0].Version != 1 {
		t.Errorf("asked %s: %+v, %v", id, reply, err)
	}
}

// countAsOperator asks for figures, as `outset top` does.
func countAsOperator(t *testing.T, q queue, want int) {
	t.Helper()
	nc := connect(t, q, "operator")
	replies, err := nc.SubscribeSync(messages.OperatorInbox + ".X")
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.PublishRequest("$SRV.STATS.outset", messages.OperatorInbox+".X", nil); err != nil {
		t.Fatal(err)
	}
	for range want {
		m, err := replies.NextMsg(patience)
		if err != nil {
			t.Fatal(err)
		}
		var stats micro.Stats
		if err := json.Unmarshal(m.Data, &stats); err != nil || stats.Name != messages.ServiceName {
			t.Errorf("%s: %v", m.Data, err)
		}
	}
}
