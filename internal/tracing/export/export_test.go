package export

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"

	"github.com/outset-settings/outset/internal/testlog"
	"github.com/outset-settings/outset/internal/testtraces"
	"github.com/outset-settings/outset/internal/testwait"
	"github.com/outset-settings/outset/internal/tracing"
)

func TestProtocol(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ environment, protocol, wrong string }{
		{"", "", ""},
		{"OTEL_SERVICE_NAME=x OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "", ""},
		{"OTEL_TRACES_EXPORTER=none OTEL_EXPORTER_OTLP_ENDPOINT=http://a:1", "", ""},
		{"OTEL_SDK_DISABLED=true OTEL_EXPORTER_OTLP_ENDPOINT=x", "", ""},
		{"OTEL_SDK_DISABLED=TRUE OTEL_TRACES_EXPORTER=otlp", "", ""},
		{"OTEL_TRACES_EXPORTER=otlp", "http/protobuf", ""},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://a:1", "http/protobuf", ""},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=https://a/v1/traces", "http/protobuf", ""},
		{"OTEL_TRACES_EXPORTER=otlp OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "grpc", ""},
		{"OTEL_TRACES_EXPORTER=otlp OTEL_EXPORTER_OTLP_PROTOCOL=grpc " +
			"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf", "http/protobuf", ""},
		{
			"OTEL_TRACES_EXPORTER=otlp OTEL_TRACES_SAMPLER=traceidratio OTEL_TRACES_SAMPLER_ARG=.01",
			"http/protobuf", "",
		},
		{
			"OTEL_TRACES_EXPORTER=otlp OTEL_TRACES_SAMPLER=always_on OTEL_TRACES_SAMPLER_ARG=x",
			"http/protobuf", "",
		},

		{"OTEL_TRACES_EXPORTER=zipkin", "", "OTEL_TRACES_EXPORTER"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=a:4318", "", "OTEL_EXPORTER_OTLP_ENDPOINT"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://", "", "OTEL_EXPORTER_OTLP_ENDPOINT"},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=ftp://a", "", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"},
		{
			"OTEL_TRACES_EXPORTER=otlp OTEL_EXPORTER_OTLP_PROTOCOL=http/json", "",
			"OTEL_EXPORTER_OTLP_PROTOCOL",
		},
		{"OTEL_TRACES_EXPORTER=otlp OTEL_TRACES_SAMPLER=some", "", "OTEL_TRACES_SAMPLER"},
		{
			"OTEL_TRACES_EXPORTER=otlp OTEL_TRACES_SAMPLER=traceidratio OTEL_TRACES_SAMPLER_ARG=2", "",
			"OTEL_TRACES_SAMPLER_ARG",
		},
		{
			"OTEL_TRACES_EXPORTER=otlp OTEL_TRACES_SAMPLER=traceidratio OTEL_TRACES_SAMPLER_ARG=NaN",
			"", "OTEL_TRACES_SAMPLER_ARG",
		},
	} {
		variables := make(map[string]string)
		for _, v := range strings.Fields(c.environment) {
			name, value, _ := strings.Cut(v, "=")
			variables[name] = value
		}
		got, err := protocolOf(func(name string) string { return variables[name] })
		if got != c.protocol || (err != nil) != (c.wrong != "") ||
			err != nil && !strings.HasPrefix(err.Error(), c.wrong+":") {
			t.Errorf("%s: got %q, %v", c.environment, got, err)
		}
	}
}

// TestErrorHasNoAddress: an address may have a password.
func TestErrorHasNoAddress(t *testing.T) {
	t.Parallel()
	if err := checkEndpoint("a://user:password@b:99999999"); err == nil ||
		strings.Contains(err.Error(), "password") {
		t.Errorf("got %v", err)
	}
}

// The tests below set variables of the process, so they are not parallel.

func TestResource(t *testing.T) {
	receiver := testtraces.New(t)
	t.Setenv(endpointVar, receiver.URL)
	for service, given := range map[string]string{"outset-api": "", "mine": "mine"} {
		t.Setenv("OTEL_SERVICE_NAME", given)
		tracer, stop, err := Start(t.Context(), "outset-api", "1.2.3", slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		span := tracer.Serve(&tracing.Request{Method: "GET"})
		span.End()
		stop()
		spans := receiver.Of(span.Place().Trace())
		if len(spans) != 1 || spans[0].Service != service {
			t.Errorf("got %v, want one of %s", spans, service)
		}
	}
}

// TestSampler: the variables of the sampler count, and what isn't sampled is nil.
func TestSampler(t *testing.T) {
	t.Setenv(endpointVar, testtraces.New(t).URL)
	const sampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for sampler, traced := range map[string]bool{
		"": true, "always_off": false, "parentbased_always_off": true, "traceidratio": false,
	} {
		t.Setenv(samplerVar, sampler)
		t.Setenv(samplerArgVar, "0")
		tracer, stop, err := Start(t.Context(), "outset-api", "1.2.3", slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if span := tracer.Serve(&tracing.Request{Traceparent: sampled}); (span != nil) != traced {
			t.Errorf("%s: the request is traced: %v", sampler, span != nil)
		}
		stop()
	}
}

// TestReceiverAway: an export that fails is logged, and only once.
func TestReceiverAway(t *testing.T) {
	t.Setenv(endpointVar, "http://127.0.0.1:1")
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "1")
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
	var log testlog.Buffer
	tracer, stop, err := Start(t.Context(), "outset-api", "1.2.3", log.Logger())
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	testwait.Until(t, time.Minute, "a failure is logged", func() bool {
		tracer.Serve(&tracing.Request{Method: "GET"}).End()
		return strings.Contains(log.String(), "spans were not exported")
	})
}

// grpcReceiver is an OTLP receiver over gRPC.
type grpcReceiver struct {
	collector.UnimplementedTraceServiceServer

	got chan *collector.ExportTraceServiceRequest
}

func (r grpcReceiver) Export(_ context.Context, q *collector.ExportTraceServiceRequest,
) (*collector.ExportTraceServiceResponse, error) {
	r.got <- q
	return &collector.ExportTraceServiceResponse{}, nil
}

func TestGRPC(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	receiver := grpcReceiver{got: make(chan *collector.ExportTraceServiceRequest, 1)}
	server := grpc.NewServer()
	collector.RegisterTraceServiceServer(server, receiver)
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	defer func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	t.Setenv(endpointVar, "http://"+l.Addr().String())
	t.Setenv(protocolVar, grpcProtocol)
	tracer, stop, err := Start(t.Context(), "outset-api", "1.2.3", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	tracer.Serve(&tracing.Request{Method: "GET"}).End()
	stop()
	spans := (<-receiver.got).ResourceSpans[0].ScopeSpans[0].Spans
	if len(spans) != 1 || spans[0].Name != "GET" {
		t.Errorf("got %v", spans)
	}
}
