// Package testtraces receives spans in tests, as an OTLP collector does.
package testtraces

import (
	"compress/gzip"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Span is a span that was received.
type Span struct {
	*traces.Span

	Service string
}

// Receiver is an OTLP receiver over HTTP.
type Receiver struct {
	URL string

	mu    sync.Mutex
	spans []Span
}

// New returns a receiver that runs until the test ends.
func New(t testing.TB) *Receiver {
	t.Helper()
	r := &Receiver{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if err := r.receive(q); err != nil {
			t.Errorf("an export can't be read: %v", err)
		}
		w.Header().Set("Content-Type", "application/x-protobuf") // of an empty answer
	}))
	t.Cleanup(s.Close)
	r.URL = s.URL
	return r
}

func (r *Receiver) receive(q *http.Request) error {
	body := io.Reader(q.Body)
	if q.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(body)
		if err != nil {
			return err
		}
		body = unzipped
	}
	data, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	var request collector.ExportTraceServiceRequest
	if err := proto.Unmarshal(data, &request); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, resource := range request.ResourceSpans {
		service := Text(resource.Resource.Attributes, "service.name")
		for _, scope := range resource.ScopeSpans {
			for _, s := range scope.Spans {
				r.spans = append(r.spans, Span{s, service})
			}
		}
	}
	return nil
}

// All returns all spans that were received.
func (r *Receiver) All() []Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.spans)
}

// Of returns the spans of a trace.
func (r *Receiver) Of(trace string) []Span {
	return slices.DeleteFunc(r.All(), func(s Span) bool { return s.Trace() != trace })
}

// Find returns the first span of a service with this name.
func Find(spans []Span, service, name string) (Span, bool) {
	i := slices.IndexFunc(spans, func(s Span) bool { return s.Service == service && s.Name == name })
	if i < 0 {
		return Span{}, false
	}
	return spans[i], true
}

// Trace is the id of the span's trace.
func (s Span) Trace() string { return hex.EncodeToString(s.TraceId) }

// ID is the span's id.
func (s Span) ID() string { return hex.EncodeToString(s.SpanId) }

// Parent is the id of the span above, or "".
func (s Span) Parent() string { return hex.EncodeToString(s.ParentSpanId) }

// LinksTo tells whether the span has a link to another.
func (s Span) LinksTo(other Span) bool {
	return slices.ContainsFunc(s.Links, func(l *traces.Span_Link) bool {
		return string(l.TraceId) == string(other.TraceId) && string(l.SpanId) == string(other.SpanId)
	})
}

// Attribute is an attribute of the span, as text; "" if it has none with this name.
func (s Span) Attribute(name string) string { return Text(s.Attributes, name) }

// String tells what the span is, for failures of tests.
func (s Span) String() string {
	return s.Service + ": " + s.Name + " " + s.ID() + " below " + s.Parent() + " " +
		strings.Repeat("→", len(s.Links))
}

// Text is the value of an attribute, as text.
func Text(attributes []*common.KeyValue, name string) string {
	for _, a := range attributes {
		if a.Key == name {
			if s, ok := a.Value.Value.(*common.AnyValue_StringValue); ok {
				return s.StringValue
			}
			return strings.TrimPrefix(a.Value.String(), "int_value:")
		}
	}
	return ""
}
