package e2e

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/outset-settings/outset/internal/testtraces"
)

// TestTraces: the programs export their spans by the standard variables, the last of them when they
// stop; and none without the variables.
func TestTraces(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	s := newSystem(ctx, t)
	receiver := testtraces.New(t)
	traced := []string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=" + receiver.URL,
		"OTEL_BSP_SCHEDULE_DELAY=3600000", // so what comes is what is left at the stop
	}
	w := s.newWorker(traced...)
	a, base := s.api(s.bin, traced...)
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	got, err := s.send(base, call{
		method: http.MethodPut, path: "/user/ann/settings", body: `{}`,
		header: []string{isJSON, "traceparent: 00-" + trace + "-00f067aa0ba902b7-01"},
	})
	if err != nil || got.status != http.StatusOK {
		t.Fatal(got, err)
	}
	for _, p := range []*program{a, w} {
		s.do(p.terminate(ctx))
	}
	spans := receiver.Of(trace)
	for service, name := range map[string]string{
		"outset-api": "PUT /user/{id}/settings", "outset-worker": "postgres replace",
	} {
		if _, ok := testtraces.Find(spans, service, name); !ok {
			t.Errorf("there is no %s of %s in %v", name, service, spans)
		}
	}

	before := len(receiver.All())
	w = s.newWorker()
	_, base = s.api(s.bin)
	got, err = s.send(base, call{
		method: http.MethodGet, path: "/user/ann/settings",
		header: []string{"traceparent: 00-" + trace + "-00f067aa0ba902b7-01"},
	})
	if err != nil || got.status != http.StatusOK || got.header.Get("traceresponse") != "" {
		t.Error(got, err)
	}
	s.do(w.terminate(ctx))
	if after := len(receiver.All()); after != before {
		t.Error(fmt.Sprint(after-before), "spans came without the variables")
	}
}
