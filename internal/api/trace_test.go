package api_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/outset-settings/outset/internal/testtraces"
	"github.com/outset-settings/outset/internal/tracing"
	"github.com/outset-settings/outset/internal/tracing/export"
	"github.com/outset-settings/outset/pkg/messages"
)

// The tests in this file set variables of the process, so they are not parallel.

const (
	ofAPI    = "outset-api"
	ofWorker = "outset-worker"
)

// newTracedSystem starts a system whose spans are received by the test, with one worker.
func newTracedSystem(t *testing.T) (*system, *testtraces.Receiver) {
	t.Helper()
	receiver := testtraces.New(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.URL)
	return newExportingSystem(t), receiver
}

// newExportingSystem starts a system that exports as the environment says, with one worker.
func newExportingSystem(t *testing.T) *system {
	t.Helper()
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
	config := apiConfig
	config.Tracer = startTraces(t, ofAPI)
	s := newSystem(t, config)
	workers := workerConfig
	workers.Tracer = startTraces(t, ofWorker)
	s.startWorkerWith(workers)
	return s
}

func startTraces(t *testing.T, service string) *tracing.Tracer {
	t.Helper()
	tracer, stop, err := export.Start(t.Context(), service, "1.2.3", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return tracer
}

// traceparent is the header of a request of this trace.
func traceparent(trace string, sampled bool) string {
	flags := "00"
	if sampled {
		flags = "01"
	}
	return "traceparent: 00-" + trace + "-" + callerSpan + "-" + flags
}

const callerSpan = "00f067aa0ba902b7"

// traceID is the id of the nth trace of a test.
func traceID(n int) string { return fmt.Sprintf("4bf92f3577b34da6a3ce929d%08x", n) }

// waitForSpans waits for the spans of a trace, of these services and names.
func waitForSpans(t *testing.T, r *testtraces.Receiver, trace string, names ...string,
) map[string]testtraces.Span {
	t.Helper()
	found := make(map[string]testtraces.Span)
	defer func() {
		if len(found) < len(names) {
			t.Logf("there are %v", r.Of(trace))
		}
	}()
	eventually(t, "the spans of "+trace+" have come", func() bool {
		spans := r.Of(trace)
		for _, name := range names {
			service, name, _ := strings.Cut(name, ": ")
			if s, ok := testtraces.Find(spans, service, name); ok {
				found[service+": "+name] = s
			}
		}
		return len(found) == len(names)
	})
	return found
}

// TestTraceOfRequest: a request is one trace, from the client to Postgres.
func TestTraceOfRequest(t *testing.T) {
	s, receiver := newTracedSystem(t)
	for n, c := range []struct{ method, body, queue, query string }{
		{http.MethodPut, `{"a":1}`, "write", "replace"},
		{http.MethodPatch, `{"b":2}`, "write", "commit"},
		{http.MethodGet, "", "read", "read"},
	} {
		trace := traceID(n)
		a := s.do(c.method, "/user/ann/settings", c.body, isJSON, traceparent(trace, true))
		if a.status != http.StatusOK {
			t.Fatal(a)
		}
		server := ofAPI + ": " + c.method + " /user/{id}/settings"
		apiQueue, apiBatch := ofAPI+": queue "+c.queue, ofAPI+": batch "+c.queue
		message := ofAPI + ": send settings.v1." + c.queue
		workerQueue, workerBatch := ofWorker+": queue "+c.queue, ofWorker+": batch "+c.queue
		query := ofWorker + ": postgres " + c.query
		spans := waitForSpans(t, receiver, trace, server, apiQueue, apiBatch, message, workerQueue,
			workerBatch, query)
		for name, above := range map[string]string{
			server: callerSpan, apiQueue: spans[server].ID(), apiBatch: spans[server].ID(),
			message: spans[apiBatch].ID(), workerBatch: spans[message].ID(),
			workerQueue: spans[server].ID(), query: spans[workerBatch].ID(),
		} {
			if got := spans[name].Parent(); got != above {
				t.Errorf("%s is below %s, want %s", name, got, above)
			}
		}
		for from, to := range map[string]string{
			apiQueue: apiBatch, apiBatch: server, workerQueue: workerBatch, workerBatch: server,
		} {
			if !spans[from].LinksTo(spans[to]) {
				t.Errorf("%s has no link to %s", from, to)
			}
		}
		if got := a.header.Get("traceresponse"); got != "00-"+trace+"-"+spans[server].ID()+"-01" {
			t.Errorf("the client is told %q", got)
		}
		for name, want := range map[string]string{
			"http.request.method": c.method, "http.response.status_code": "200",
			"http.route": "/user/{id}/settings", "url.path": "/user/ann/settings",
			"url.scheme": "http", "outset.request_id": a.header.Get("X-Request-Id"),
		} {
			if got := spans[server].Attribute(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		s.logs(t, "msg=request", a.header.Get("X-Request-Id"), trace, spans[server].ID())
		s.logs(t, "msg=answered", a.header.Get("X-Request-Id"), trace, spans[server].ID())
	}
	s.hasExemplar(t, "outset_http_request_duration_seconds", traceID(2))
	s.hasExemplar(t, "outset_api_queue_wait_seconds", traceID(2))
}

// logs waits for a line of the log with all these texts.
func (s *system) logs(t *testing.T, texts ...string) {
	t.Helper()
	eventually(t, fmt.Sprint("a line of the log has ", texts), func() bool {
		return slices.ContainsFunc(strings.Split(s.log.String(), "\n"), func(line string) bool {
			return !slices.ContainsFunc(texts, func(text string) bool {
				return !strings.Contains(line, text)
			})
		})
	})
}

// hasExemplar checks that a histogram leads to the trace.
func (s *system) hasExemplar(t *testing.T, name, trace string) {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(s.api.Metrics()...)
	eventually(t, name+" has an exemplar of "+trace, func() bool {
		families, err := r.Gather()
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(families, func(f *dto.MetricFamily) bool {
			return f.GetName() == name && strings.Contains(f.String(), trace)
		})
	})
}

// TestTraceOfSharedBatch: a batch has links to all requests in it, and each has one to the batch.
func TestTraceOfSharedBatch(t *testing.T) {
	s, receiver := newTracedSystem(t)
	var shared map[string]testtraces.Span // by service
	asked := 0
	eventually(t, "requests have shared a batch", func() bool {
		var requests sync.WaitGroup
		for range 32 {
			asked++
			header := traceparent(traceID(asked), true)
			requests.Go(func() { s.do(http.MethodGet, "/user/ann/settings", "", header) })
		}
		requests.Wait()
		shared = make(map[string]testtraces.Span)
		for _, span := range receiver.All() {
			if span.Name == "batch read" && len(span.Links) > 3 {
				shared[span.Service] = span
			}
		}
		return len(shared) == 2
	})
	for service, batch := range shared {
		requests := 0
		for _, link := range batch.Links {
			if testtraces.Text(link.Attributes, "outset.link") != "request" {
				continue
			}
			requests++
			trace := fmt.Sprintf("%x", link.TraceId)
			spans := waitForSpans(t, receiver, trace, ofAPI+": GET /user/{id}/settings",
				service+": queue read")
			if got := spans[service+": queue read"]; !got.LinksTo(batch) {
				t.Errorf("%v has no link to %v", got, batch)
			}
			if got := spans[ofAPI+": GET /user/{id}/settings"]; !batch.LinksTo(got) {
				t.Errorf("%v has no link to %v", batch, got)
			}
		}
		if requests < 2 {
			t.Errorf("%v has links to %d requests", batch, requests)
		}
	}
}

// TestTraceOfMultiRequest: subrequests are below their multi-request, whatever they say.
func TestTraceOfMultiRequest(t *testing.T) {
	s, receiver := newTracedSystem(t)
	a := s.do(http.MethodPost, "/batch", `{"operations":[
		{"method":"GET","path":"/user/ann/settings","headers":{"traceparent":"00-`+traceID(9)+
		`-00f067aa0ba902b7-01"}}]}`, isJSON, traceparent(traceID(0), true))
	if a.status != http.StatusOK {
		t.Fatal(a)
	}
	multi, sub := ofAPI+": POST /batch", ofAPI+": GET /user/{id}/settings"
	spans := waitForSpans(t, receiver, traceID(0), multi, sub)
	if got := spans[sub].Parent(); got != spans[multi].ID() {
		t.Errorf("the subrequest is below %s, want %s", got, spans[multi].ID())
	}
}

// TestTraceOfFailure: a failure of ours is one of the span, a client's isn't.
func TestTraceOfFailure(t *testing.T) {
	receiver := testtraces.New(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.URL)
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
	config := apiConfig
	config.Tracer, config.WorkerGrace = startTraces(t, ofAPI), 0
	s := newSystem(t, config) // without a worker
	check := func(n int, path, name string, ours bool) {
		t.Helper()
		a := s.do(http.MethodGet, path, "", traceparent(traceID(n), true))
		span := waitForSpans(t, receiver, traceID(n), ofAPI+": "+name)[ofAPI+": "+name]
		if got := span.Attribute("http.response.status_code"); got != fmt.Sprint(a.status) {
			t.Errorf("%s: the span has status %s, the answer %d", path, got, a.status)
		}
		if kind := span.Attribute("error.type"); !strings.Contains(a.body, `"kind":"`+kind+`"`) {
			t.Errorf("%s: the span has the kind %q, the answer %s", path, kind, a.body)
		}
		if got := span.Status.GetCode() == traces.Status_STATUS_CODE_ERROR; got != ours {
			t.Errorf("%s: it is a failure of ours: %v", path, got)
		}
	}
	check(0, "/nowhere", "GET", false)
	check(1, "/user/ann/settings?x=1", "GET /user/{id}/settings", false)
	check(2, "/user/ann/settings", "GET /user/{id}/settings", true)
	for name, want := range map[string]string{
		ofAPI + ": batch read": "", ofAPI + ": send settings.v1.read": "no_responders",
	} {
		span := waitForSpans(t, receiver, traceID(2), name)[name]
		if got := span.Attribute("error.type"); got != want {
			t.Errorf("%s: the error is %q, want %q", name, got, want)
		}
	}
}

// TestUntraced: what isn't to be sampled leaves no trace, and what isn't valid begins one.
func TestUntraced(t *testing.T) {
	s, receiver := newTracedSystem(t)
	seen := make(chan messages.Request, 8)
	sub, err := s.workers.Subscribe(messages.ReadSubject, func(m *nats.Msg) {
		request, err := messages.DecodeRequest(m.Data)
		if err != nil {
			t.Error(err)
		}
		seen <- request
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.workers.Flush(); err != nil {
		t.Fatal(err)
	}
	a := s.do(http.MethodGet, "/user/ann/settings", "", traceparent(traceID(0), false))
	if a.header.Get("traceresponse") != "" {
		t.Errorf("the client is told %q", a.header.Get("traceresponse"))
	}
	if r := <-seen; r.Trace != nil || r.Operations[0].Trace != nil {
		t.Errorf("the message has %x and %x", r.Trace, r.Operations[0].Trace)
	}
	for n, garbage := range []string{
		"traceparent: x", "traceparent: 00-" + traceID(1) + "-0000000000000000-01",
		"traceparent: ff-" + traceID(1) + "-" + callerSpan + "-01",
	} {
		a := s.do(http.MethodGet, "/user/ann/settings", "", garbage)
		trace := strings.Split(a.header.Get("traceresponse")+"--", "-")[1]
		if a.status != http.StatusOK || trace == "" || trace == traceID(1) {
			t.Errorf("%d. %s: got %d in the trace %q", n+1, garbage, a.status, trace)
			continue
		}
		waitForSpans(t, receiver, trace, ofAPI+": GET /user/{id}/settings", ofWorker+": batch read")
	}
	_ = sub.Unsubscribe()
	if spans := receiver.Of(traceID(0)); len(spans) > 0 { // those that came later are there
		t.Errorf("got %v", spans)
	}
}

// TestHangingReceiver: neither requests nor the stop wait for a receiver.
func TestHangingReceiver(t *testing.T) {
	hang, called := make(chan struct{}), make(chan struct{}, 1000)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		called <- struct{}{}
		<-hang
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(hang) }) // when everything else has stopped
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	t.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", "4")
	t.Setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1")
	s := newExportingSystem(t)
	for range 20 { // many more spans than the queue has room for
		if a := s.get("ann"); a.status != http.StatusOK {
			t.Fatal(a)
		}
	}
	<-called
}

// TestUntracedByDefault: without the variables there is no tracer.
func TestUntracedByDefault(t *testing.T) {
	for _, name := range []string{
		"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_TRACES_EXPORTER",
	} {
		t.Setenv(name, "")
	}
	if tracer := startTraces(t, ofAPI); tracer != nil {
		t.Error("there is one")
	}
}
