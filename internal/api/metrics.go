package api

import (
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/outset-settings/outset/internal/access"
	"github.com/outset-settings/outset/internal/metrics"
	"github.com/outset-settings/outset/internal/metrics/hops"
	"github.com/outset-settings/outset/internal/watch"
	"github.com/outset-settings/outset/pkg/messages"
)

// The second words of the names of metrics.
const (
	subsystem     = "api"
	subsystemHTTP = "http"
)

// serverMetrics are what the API counts. No label has anything that a client can make up: a route
// is one of ours, and so is a method.
type serverMetrics struct {
	requests    *prometheus.CounterVec
	duration    *prometheus.HistogramVec
	problems    map[messages.Kind]prometheus.Counter
	ofProblems  *prometheus.CounterVec // the same
	failures    *prometheus.CounterVec // of authentication
	rateLimited *prometheus.CounterVec
	watch       *watch.Metrics
	routes      map[*fiber.Route]string // their templates; not changed once the server runs
}

// noRoute is the route of requests that match none, or couldn't be read so far.
const noRoute = "none"

func newServerMetrics() *serverMetrics {
	m := &serverMetrics{
		requests: metrics.Counter(subsystemHTTP, "requests_total",
			"Requests by route, method and status of the answer.", "route", "method", "status"),
		duration: metrics.Seconds(subsystemHTTP, "request_duration_seconds",
			"How long requests took from their head to their answer.", "route", "method"),
		problems: make(map[messages.Kind]prometheus.Counter),
		ofProblems: metrics.Counter(subsystemHTTP, "problems_total",
			"Requests that failed, by the kind of their problem.", "kind"),
		failures: metrics.Counter(subsystemHTTP, "authentication_failures_total",
			"Requests without a token that counts, where they needed one.", "reason"),
		rateLimited: metrics.Counter(subsystemHTTP, "rate_limited_total",
			"Requests that were one too many of their sender's.", "limit"),
		watch:  watch.NewMetrics(),
		routes: make(map[*fiber.Route]string),
	}
	for kind := range statuses {
		m.problems[kind] = m.ofProblems.WithLabelValues(string(kind))
	}
	for _, reason := range append(slices.Clone(access.Classes), noToken, unavailable) {
		m.failures.WithLabelValues(string(reason))
	}
	for _, limit := range []string{"user", "token", "streams", "batches"} {
		m.rateLimited.WithLabelValues(limit)
	}
	return m
}

// addRoute has requests of a route counted as such.
func (m *serverMetrics) addRoute(r *fiber.Route) { m.routes[r] = templateOf(r.Path) }

// answered counts a request that has been answered, or whose answer begins. The exemplar is nil
// unless it is traced.
func (m *serverMetrics) answered(c *fiber.Ctx, took time.Duration, exemplar map[string]string) {
	route, ok := m.routes[c.Route()]
	if !ok {
		route = noRoute
	}
	method := methodOf(c)
	m.requests.WithLabelValues(route, method, statusText(c)).Inc()
	metrics.Observe(m.duration.WithLabelValues(route, method), took, exemplar)
}

// refused counts a request that was refused before it could be read.
func (m *serverMetrics) refused(c *fiber.Ctx) {
	m.requests.WithLabelValues(noRoute, methodOf(c), statusText(c)).Inc()
}

// methodOf returns the method of a request, or otherMethod for one that nobody knows.
func methodOf(c *fiber.Ctx) string {
	if i := slices.Index(fiber.DefaultMethods, c.Method()); i >= 0 {
		return fiber.DefaultMethods[i]
	}
	return otherMethod
}

func statusText(c *fiber.Ctx) string {
	status := c.Response().StatusCode()
	if status == fiber.StatusOK { // nearly always, and without memory
		return "200"
	}
	return strconv.Itoa(status)
}

// Why an authentication failed, beside the classes of package access.
const (
	noToken     access.Class = "missing"
	unavailable access.Class = "unavailable" // tokens couldn't be checked
)

// unauthenticated counts a request without a token that counts.
func (m *serverMetrics) unauthenticated(why error) {
	reason := access.Malformed
	var refused access.RefusedError
	switch {
	case errors.As(why, &refused):
		reason = refused.Class
	case errors.Is(why, access.ErrUnavailable):
		reason = unavailable
	case errors.Is(why, errNoToken):
		reason = noToken
	}
	m.failures.WithLabelValues(string(reason)).Inc()
}

// limited counts a request that was one too many by this limit.
func (m *serverMetrics) limited(limit string) { m.rateLimited.WithLabelValues(limit).Inc() }

// sum adds up what the listeners count.
func (s *Server) sum(of func(*listener) float64) func() float64 {
	return func() float64 {
		n := 0.0
		for _, l := range s.listeners {
			n += of(l)
		}
		return n
	}
}

// Metrics returns the metrics of the API.
func (s *Server) Metrics() []prometheus.Collector {
	m := s.metrics
	return slices.Concat(
		[]prometheus.Collector{
			m.requests, m.duration, m.ofProblems, m.failures, m.rateLimited,
			metrics.Gauge(subsystemHTTP, "connections", "Connections, without streams of changes.",
				nil, s.sum(func(l *listener) float64 { return float64(l.admission.held()) })),
			metrics.CounterOf(subsystemHTTP, "connections_refused_total",
				"Connections that there was no room for.", nil,
				s.sum(func(l *listener) float64 { return float64(l.refused.Load()) })),
		},
		m.watch.All(), s.queue.Metrics(),
		hops.NATS(subsystem, "requests", s.nc.Requests),
		hops.NATS(subsystem, "changes", s.nc.Changes),
	)
}
