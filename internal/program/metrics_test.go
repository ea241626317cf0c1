package program

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// scrape returns the metrics in the format that is accepted, and its type.
func scrape(t *testing.T, addr, accept string) (kind, text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", accept)
	r.Close = true
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%d %s, %v", answer.StatusCode, body, err)
	}
	return answer.Header.Get("Content-Type"), string(body)
}

// TestMetrics: what is exported, before the program runs and later, is served in each format.
func TestMetrics(t *testing.T) {
	t.Parallel()
	a, err := ListenAdmin("127.0.0.1:0", nil, always, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	gauge := func(name string, value float64) []prometheus.Collector {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: "A gauge."})
		g.Set(value)
		return []prometheus.Collector{g}
	}
	a.Export(gauge("outset_one", 1))
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	a.ExportWorker(1, gauge("outset_two", 2))
	a.ExportWorker(2, gauge("outset_two", 3))
	for accept, kind := range map[string]string{
		"": "text/plain", "application/openmetrics-text;version=1.0.0": "application/openmetrics-text",
	} {
		got, text := scrape(t, a.Addr(), accept)
		for _, want := range []string{
			"outset_one 1", `outset_two{worker="1"} 2`, `outset_two{worker="2"} 3`, "go_goroutines ",
			`outset_build_info{version="` + Version() + `"} 1`,
		} {
			if !strings.Contains(text, "\n"+want) {
				t.Errorf("%s: there is no %s", got, want)
			}
		}
		if !strings.HasPrefix(got, kind) {
			t.Errorf("the type is %s, want %s", got, kind)
		}
	}
	const protobuf = "application/vnd.google.protobuf"
	if got, _ := scrape(t, a.Addr(), protobuf+
		";proto=io.prometheus.client.MetricFamily;encoding=delimited"); !strings.HasPrefix(got, protobuf) {
		t.Errorf("the type is %s, want %s", got, protobuf)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
