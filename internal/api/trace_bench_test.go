package api_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/outset-settings/outset/internal/tracing"
	"github.com/outset-settings/outset/internal/tracing/export"
)

// BenchmarkTracing reads documents of one API and one worker, the client and the receiver of the
// spans in the same process: without traces, with a hundredth of all requests traced, with all.
func BenchmarkTracing(b *testing.B) {
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	b.Cleanup(receiver.Close)
	for _, ratio := range []string{"off", "0.01", "1"} {
		b.Run(ratio, func(b *testing.B) {
			if ratio != "off" {
				b.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.URL)
				b.Setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
				b.Setenv("OTEL_TRACES_SAMPLER_ARG", ratio)
			}
			start := func(service string) *tracing.Tracer {
				tracer, stop, err := export.Start(b.Context(), service, "1.2.3",
					slog.New(slog.DiscardHandler))
				if err != nil {
					b.Fatal(err)
				}
				b.Cleanup(stop)
				return tracer
			}
			config, workers := apiConfig, workerConfig
			config.Tracer, workers.Tracer = start(ofAPI), start(ofWorker)
			s := newSystem(b, config)
			s.startWorkerWith(workers)
			s.post("ann", `{"theme":"`+strings.Repeat("x", 400)+`"}`)
			b.ResetTimer()
			b.ReportAllocs()
			b.SetParallelism(32)
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					if err := readOnce(s); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

func readOnce(s *system) error {
	r, err := s.client.Get(s.base + "/user/ann/settings")
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, r.Body)
	_ = r.Body.Close()
	return err
}
