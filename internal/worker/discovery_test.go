package worker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/outset-settings/outset/internal/pool"
	"github.com/outset-settings/outset/internal/testlog"
	"github.com/outset-settings/outset/internal/worker"
	"github.com/outset-settings/outset/pkg/messages"
	"github.com/outset-settings/outset/pkg/store"
)

type figures struct {
	id, host                 string
	requests, errs, inFlight int
	average                  time.Duration
	lastError                string
	stopping                 string
	data                     pool.EndpointData
}

// stats asks the service discovery, as `nats micro stats` does.
func stats(t *testing.T, nc *nats.Conn) []figures {
	t.Helper()
	m, err := nc.Request("$SRV.STATS.outset", nil, deadline)
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
		var data pool.EndpointData
		if err := json.Unmarshal(e.Data, &data); err != nil {
			t.Fatal(err)
		}
		all = append(all, figures{
			id: s.ID, host: s.Metadata["host"], requests: e.NumRequests, errs: e.NumErrors,
			inFlight: int(data.InFlight), average: e.AverageProcessingTime, lastError: e.LastError,
			stopping: s.Metadata[messages.StoppingKey], data: data,
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
		for verb, kind := range map[string]string{
			"PING": "ping", "INFO": "info",
			"STATS": "stats",
		} {
			m, err := nc.Request("$SRV."+verb+subject, nil, deadline)
			if err != nil {
				t.Fatal(verb, subject, err)
			}
			var identity struct {
				Name, ID, Version, Type string
				Metadata                map[string]string
			}
			if err := json.Unmarshal(m.Data, &identity); err != nil {
				t.Fatal(err)
			}
			if identity.Name != "outset" || identity.ID != w.ID() || identity.Version != "1.2.3" ||
				identity.Type != "io.nats.micro.v1."+kind+"_response" {
				t.Errorf("%s%s: %s", verb, subject, m.Data)
			}
			got := identity.Metadata[messages.ActionsKey]
			if got != strconv.Itoa(int(messages.LastAction)) {
				t.Errorf("%s%s: it knows actions up to %q", verb, subject, got)
			}
		}
	}
	ask(t, nc, messages.ReadSubject, read("ann"), read("bob"), read(""))
	ask(t, nc, messages.WriteSubject, replace("ann", "1", `{}`))
	// The figures are taken before the reply is sent.
	got := stats(t, nc)
	if r := got[0]; r.requests != 3 || r.errs != 0 || r.inFlight != 0 || r.average <= 0 {
		t.Errorf("read: %+v", r) // a mistake of the sender is no error of the worker
	}
	if r := got[1]; r.requests != 1 || r.errs != 0 {
		t.Errorf("write: %+v", r)
	}
	for _, f := range got {
		if took, found := f.data.Latencies.Quantile(1); !found || took <= 0 || f.data.Up < took {
			t.Errorf("%+v", f)
		}
	}
}

// TestFailuresAreCounted, and logged with the request's id, and not shown to the sender.
func TestFailuresAreCounted(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	fake := &fakeStore{
		gate: make(chan struct{}), err: fmt.Errorf("%w: password is secret", store.ErrUnavailable),
	}
	close(fake.gate)
	var log testlog.Buffer
	startLogging(t, nc, fake, config, slog.New(slog.NewTextHandler(&log, nil)))

	o := read("ann")
	o.RequestID = "request-7"
	r := ask(t, nc, messages.ReadSubject, o, read("bob")).Results[0]
	if r.Kind != messages.KindUnavailable || r.Detail != "" {
		t.Errorf("%+v", r)
	}
	if got := stats(t, nc)[0]; got.requests != 2 || got.errs != 2 ||
		got.lastError != "unavailable" {
		t.Errorf("%+v", got)
	}
	if lines := log.String(); !strings.Contains(lines, "request_id=request-7") ||
		!strings.Contains(lines, "password is secret") {
		t.Errorf("the log does not say so: %s", lines)
	}
}

// TestDiscoveryWithoutRequests: a worker that requests can't reach answers nobody who looks for
// one.
func TestDiscoveryWithoutRequests(t *testing.T) {
	t.Parallel()
	nc, asker := connect(t), connect(t)
	requests, changes := dial(t, nc.ConnectedUrl()), dial(t, asker.ConnectedUrl())
	changes.Opts.DrainTimeout = deadline
	w, err := worker.New(requests, changes, &fakeStore{}, config, "1.2.3",
		slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	eventually(t, "the worker is ready", func() bool { return w.Ready(t.Context()) == nil })
	if _, err := asker.Request("$SRV.PING.outset", nil, deadline); err != nil {
		t.Fatal("with both connections: ", err)
	}
	requests.Close()
	answers, err := asker.SubscribeSync("answers")
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"PING", "INFO", "STATS"} {
		if err := asker.PublishRequest("$SRV."+verb+".outset", "answers", nil); err != nil {
			t.Fatal(err)
		}
	}
	// The questions have come once the flushes are answered, and the drain waits for all handlers.
	for _, c := range []*nats.Conn{asker, changes} {
		if err := c.FlushTimeout(deadline); err != nil {
			t.Fatal(err)
		}
	}
	if err := changes.Drain(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the worker's other connection is closed", changes.IsClosed)
	if err := asker.Publish("answers", []byte("the end")); err != nil {
		t.Fatal(err)
	}
	m, err := answers.NextMsg(deadline)
	if err != nil {
		t.Fatal(err)
	}
	if string(m.Data) != "the end" {
		t.Errorf("an answer without a connection for requests: %s", m.Data)
	}
}
