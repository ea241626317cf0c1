// Package export sends spans to an OTLP receiver, as the standard OTEL_ variables say.
package export

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/uuid"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"golang.org/x/time/rate"

	"github.com/outset-settings/outset/internal/tracing"
)

const (
	// stopTimeout is how long what is left may take to be sent when a program stops.
	stopTimeout = 2 * time.Second
	// failureLogged is how often it is logged that spans can't be sent.
	failureLogged = time.Minute
	// maxLinks is how many links a span may have, unless OTEL_SPAN_LINK_COUNT_LIMIT says otherwise:
	// as many as a batch has operations, and some messages.
	maxLinks = 1024
)

// The variables that are read here. The others are the SDK's.
const (
	disabledVar       = "OTEL_SDK_DISABLED"
	exporterVar       = "OTEL_TRACES_EXPORTER"
	endpointVar       = "OTEL_EXPORTER_OTLP_ENDPOINT"
	tracesEndpointVar = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	protocolVar       = "OTEL_EXPORTER_OTLP_PROTOCOL"
	tracesProtocolVar = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
	samplerVar        = "OTEL_TRACES_SAMPLER"
	samplerArgVar     = "OTEL_TRACES_SAMPLER_ARG"
	linksVar          = "OTEL_SPAN_LINK_COUNT_LIMIT"
)

// The protocols of OTLP.
const (
	httpProtobuf = "http/protobuf"
	grpcProtocol = "grpc"
)

// Start returns a tracer whose spans are exported, or nil if the environment asks for none. The
// function that it returns sends what is left, for a short time, and is to be called in any case.
// An error names the variable that makes no sense.
//
// Spans wait in a queue that is bounded (OTEL_BSP_MAX_QUEUE_SIZE). What doesn't fit, or can't be
// sent, is dropped: nothing else ever waits for the receiver.
func Start(ctx context.Context, service, version string, log *slog.Logger) (
	t *tracing.Tracer, stop func(), err error,
) {
	protocol, err := protocolOf(os.Getenv)
	if err != nil || protocol == "" {
		return nil, func() {}, err
	}
	// The SDK has one place for these in a process.
	sometimes := &rate.Sometimes{First: 1, Interval: failureLogged}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		sometimes.Do(func() { log.Warn("spans were not exported", "error", err) })
	}))
	otel.SetLogger(logr.FromSlogHandler(quiet{log.Handler()}))
	exporter, err := newExporter(ctx, protocol)
	if err != nil {
		return nil, func() {}, fmt.Errorf("OTEL_EXPORTER_OTLP_: %w", err)
	}
	about, err := describe(ctx, service, version)
	if err != nil {
		return nil, func() {}, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	limits := sdk.NewSpanLimits()
	if os.Getenv(linksVar) == "" {
		limits.LinkCountLimit = maxLinks
	}
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(about),
		sdk.WithRawSpanLimits(limits))
	log.Info("traces are exported", "protocol", protocol)
	return tracing.New(provider), func() {
		// What hangs is given up, and ends with the program.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		if err := provider.Shutdown(ctx); err != nil {
			log.Warn("the last spans were not exported", "error", err)
		}
	}, nil
}

func newExporter(ctx context.Context, protocol string) (sdk.SpanExporter, error) {
	// It doesn't connect yet.
	if protocol == grpcProtocol {
		return otlptrace.New(ctx, otlptracegrpc.NewClient())
	}
	return otlptrace.New(ctx, otlptracehttp.NewClient())
}

// describe returns what all spans say of their program.
func describe(ctx context.Context, service, version string) (*resource.Resource, error) {
	return resource.New(ctx,
		resource.WithAttributes(semconv.ServiceName(service), semconv.ServiceVersion(version),
			semconv.ServiceInstanceID(uuid.NewString())),
		resource.WithHost(), resource.WithTelemetrySDK(),
		resource.WithFromEnv()) // last, so that it counts
}

// protocolOf returns how spans are to be exported; "": not at all.
func protocolOf(getenv func(string) string) (string, error) {
	if strings.EqualFold(getenv(disabledVar), "true") {
		return "", nil
	}
	endpoint := cmp.Or(getenv(tracesEndpointVar), getenv(endpointVar))
	switch exporter := getenv(exporterVar); {
	case exporter == "none", exporter == "" && endpoint == "":
		return "", nil
	case exporter != "" && exporter != "otlp":
		return "", fmt.Errorf("%s: %q is not an exporter; otlp and none are", exporterVar, exporter)
	}
	for _, name := range []string{endpointVar, tracesEndpointVar} {
		if err := checkEndpoint(getenv(name)); err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := checkSampler(getenv(samplerVar), getenv(samplerArgVar)); err != nil {
		return "", err
	}
	protocol := cmp.Or(getenv(tracesProtocolVar), getenv(protocolVar), httpProtobuf)
	if protocol != httpProtobuf && protocol != grpcProtocol {
		return "", fmt.Errorf("%s: %q is not a protocol; %s and %s are", protocolVar, protocol,
			httpProtobuf, grpcProtocol)
	}
	return protocol, nil
}

// errEndpoint doesn't show the address, which may have a password.
var errEndpoint = errors.New("it is not an address such as http://127.0.0.1:4318")

func checkEndpoint(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return errEndpoint
	}
	return nil
}

// samplers are those of the SDK, and whether they take a ratio.
var samplers = map[string]bool{
	"": false, "always_on": false, "always_off": false, "traceidratio": true,
	"parentbased_always_on": false, "parentbased_always_off": false,
	"parentbased_traceidratio": true,
}

// checkSampler refuses what the SDK would replace by its default.
func checkSampler(name, argument string) error {
	ratio, ok := samplers[name]
	if !ok {
		names := make([]string, 0, len(samplers))
		for n := range samplers {
			if n != "" {
				names = append(names, n)
			}
		}
		slices.Sort(names)
		return fmt.Errorf("%s: %q is not one of %s", samplerVar, name, strings.Join(names, ", "))
	}
	if !ratio || argument == "" {
		return nil
	}
	if r, err := strconv.ParseFloat(argument, 64); err != nil || !(r >= 0 && r <= 1) {
		return fmt.Errorf("%s: %q is not a number from 0 to 1", samplerArgVar, argument)
	}
	return nil
}

// quiet is a log handler for the SDK's own log: it lets errors through.
type quiet struct{ slog.Handler }

func (q quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelError && q.Handler.Enabled(ctx, level)
}

func (q quiet) WithAttrs(attributes []slog.Attr) slog.Handler {
	return quiet{q.Handler.WithAttrs(attributes)}
}

func (q quiet) WithGroup(name string) slog.Handler { return quiet{q.Handler.WithGroup(name)} }
