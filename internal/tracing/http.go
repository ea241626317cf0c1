package tracing

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// The headers of W3C Trace Context.
const (
	Traceparent = "Traceparent"
	Tracestate  = "Tracestate"
	// Traceresponse is the header of answers that has the place of the request's span
	// (draft of W3C Trace Context).
	Traceresponse = "Traceresponse"
)

// Request is what the span of an HTTP request says of it.
type Request struct {
	// Traceparent and Tracestate are its headers. What isn't valid begins a new trace.
	Traceparent, Tracestate string
	Method, Path, Scheme    string
	ID                      string // as in logs
}

func (r *Request) attributes() trace.SpanStartOption {
	return trace.WithAttributes(
		semconv.HTTPRequestMethodKey.String(r.Method), semconv.URLPath(r.Path),
		semconv.URLScheme(r.Scheme), attribute.String("outset.request_id", r.ID),
	)
}

// carrier has the two headers for the propagator.
type carrier struct{ parent, state string }

func (c carrier) Get(name string) string {
	switch name {
	case "traceparent":
		return c.parent
	case "tracestate":
		return c.state
	}
	return ""
}

func (carrier) Set(string, string) {}

func (carrier) Keys() []string { return []string{"traceparent", "tracestate"} }

// Serve starts the span of a request.
func (t *Tracer) Serve(r *Request) *Span {
	if t == nil {
		return nil
	}
	ctx := context.Background()
	if r.Traceparent != "" {
		ctx = propagation.TraceContext{}.Extract(ctx, carrier{r.Traceparent, r.Tracestate})
	}
	return t.start(ctx, r.Method, trace.WithSpanKind(trace.SpanKindServer), r.attributes())
}

// Subrequest starts the span of a request that came in this one.
func (s *Span) Subrequest(r *Request) *Span {
	if s == nil {
		return nil
	}
	return s.child(r.Method, r.attributes())
}

// Answered says what became of the request; the kind is that of its problem, or "". The route is
// its template, or "" where there is none.
func (s *Span) Answered(method, route string, status int, kind string) {
	if s == nil {
		return
	}
	if route != "" {
		s.span.SetName(method + " " + route)
		s.span.SetAttributes(semconv.HTTPRoute(route))
	}
	s.span.SetAttributes(semconv.HTTPResponseStatusCode(status))
	switch {
	case status >= 500:
		s.Fail(kind)
	case kind != "":
		s.span.SetAttributes(semconv.ErrorTypeKey.String(kind))
	}
}
