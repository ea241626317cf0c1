// Package tracing makes the spans of a request on its way: over HTTP to the API, in a batch over
// NATS to a worker, in the worker's batch to Postgres. docs/tracing.md shows them.
//
// A nil [Tracer] is off. A nil [Span] is of a request that isn't sampled. All methods of both may
// be called and then do nothing, so nothing of a request that isn't traced costs anything further
// along: neither memory nor bytes on the wire.
//
// All that is known here of OpenTelemetry's SDK is in the package export, which only the programs
// link.
package tracing

import (
	"context"
	"encoding/hex"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// scope names who makes the spans.
const scope = "github.com/outset-settings/outset"

// Tracer makes the spans of a program.
type Tracer struct{ tracer trace.Tracer }

// New returns a tracer that makes its spans with this provider.
func New(p trace.TracerProvider) *Tracer {
	return &Tracer{p.Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL))}
}

// Span is a span of a trace that is sampled.
type Span struct {
	tracer *Tracer
	span   trace.Span
}

// start starts a span, or returns nil if it isn't sampled.
func (t *Tracer) start(ctx context.Context, name string, options ...trace.SpanStartOption) *Span {
	_, span := t.tracer.Start(ctx, name, options...)
	if !span.SpanContext().IsSampled() || !span.IsRecording() {
		return nil
	}
	return &Span{t, span}
}

// child starts a span below this one.
func (s *Span) child(name string, options ...trace.SpanStartOption) *Span {
	return s.tracer.start(trace.ContextWithSpan(context.Background(), s.span), name, options...)
}

// End ends the span.
func (s *Span) End() {
	if s != nil {
		s.span.End()
	}
}

// Fail says what kind of failure the span has, as in error.type; "": none. What an error says may
// be a user's data, and doesn't leave the program.
func (s *Span) Fail(kind string) {
	if s == nil || kind == "" {
		return
	}
	s.span.SetStatus(codes.Error, "")
	s.span.SetAttributes(semconv.ErrorTypeKey.String(kind))
}

// Place is where the span is in its trace.
func (s *Span) Place() Place {
	if s == nil {
		return Place{}
	}
	c := s.span.SpanContext()
	return Place{c.TraceID(), c.SpanID()}
}

// PlaceSize is how many bytes a [Place] has on the wire.
const PlaceSize = 16 + 8

// Place is a span by its trace and its id. The zero Place is none.
type Place struct {
	trace trace.TraceID
	span  trace.SpanID
}

// ParsePlace returns the place that [Place.Bytes] has returned, or the zero Place for anything
// else.
func ParsePlace(b []byte) (p Place) {
	if len(b) != PlaceSize {
		return Place{}
	}
	copy(p.trace[:], b)
	copy(p.span[:], b[len(p.trace):])
	if !p.trace.IsValid() || !p.span.IsValid() {
		return Place{}
	}
	return p
}

// IsZero tells whether the place is none.
func (p Place) IsZero() bool { return p == Place{} }

// Bytes are the place on the wire; nil for none.
func (p Place) Bytes() []byte {
	if p.IsZero() {
		return nil
	}
	// Not appended to p's own array, which would then be made for each request, traced or not.
	b := make([]byte, 0, PlaceSize)
	return append(append(b, p.trace[:]...), p.span[:]...)
}

// Trace is the id of the trace in hexadecimal digits; "" for none.
func (p Place) Trace() string {
	if p.IsZero() {
		return ""
	}
	return p.trace.String()
}

// Header is the place as the value of traceparent (W3C Trace Context); "" for none.
func (p Place) Header() string {
	if p.IsZero() {
		return ""
	}
	return "00-" + p.trace.String() + "-" + p.span.String() + "-01"
}

// LogArgs are the attributes of a log line about what happened there; nil for none.
func (p Place) LogArgs() []any {
	if p.IsZero() {
		return nil
	}
	return []any{"trace_id", p.trace.String(), "span_id", hex.EncodeToString(p.span[:])}
}

// Exemplar has what an exemplar of a metric says of the place; nil for none.
func (p Place) Exemplar() map[string]string {
	if p.IsZero() {
		return nil
	}
	return map[string]string{"trace_id": p.trace.String()}
}

// context returns a context whose spans are below the place, which is sampled.
func (p Place) context() context.Context {
	return trace.ContextWithSpanContext(context.Background(), p.remote())
}

func (p Place) remote() trace.SpanContext {
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: p.trace, SpanID: p.span, TraceFlags: trace.FlagsSampled, Remote: true,
	})
}

func (p Place) link(attributes ...attribute.KeyValue) trace.Link {
	return trace.Link{SpanContext: p.remote(), Attributes: attributes}
}

// key is that of a span in a context.
type key struct{}

// With returns a context that has the span.
func With(ctx context.Context, s *Span) context.Context {
	if s == nil {
		return ctx
	}
	return context.WithValue(ctx, key{}, s)
}

// From returns the span that a context has, or nil.
func From(ctx context.Context) *Span {
	s, _ := ctx.Value(key{}).(*Span)
	return s
}
