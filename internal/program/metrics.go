package program

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// maxScrapes is how many may read the metrics at a time. Others get 503.
const maxScrapes = 4

// newRegistry returns a registry that has what is exported of every Go program, and our version.
func newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(
		//nolint:staticcheck // their successors' package links database/sql, which an API must not
		prometheus.NewGoCollector(),
		//nolint:staticcheck // the same
		prometheus.NewProcessCollector(prometheus.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "outset_build_info", Help: "1; the version is a label.",
			ConstLabels: prometheus.Labels{"version": Version()},
		}, func() float64 { return 1 }),
	)
	return r
}

// Export has /metrics show these, too. It panics if it shows metrics of these names already.
func (a *Admin) Export(metrics []prometheus.Collector) { a.metrics.MustRegister(metrics...) }

// ExportWorker is Export for one of several workers in this process, told apart by its number.
func (a *Admin) ExportWorker(number int, metrics []prometheus.Collector) {
	of := prometheus.Labels{"worker": strconv.Itoa(number)}
	prometheus.WrapRegistererWith(of, a.metrics).MustRegister(metrics...)
}

// serveMetrics answers in the format that is asked for: text, OpenMetrics, or the protocol buffers
// that native histograms need.
func (a *Admin) serveMetrics() http.Handler {
	return promhttp.HandlerFor(a.metrics, promhttp.HandlerOpts{
		MaxRequestsInFlight: maxScrapes, Timeout: probeTimeout, EnableOpenMetrics: true,
	})
}
