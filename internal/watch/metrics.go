package watch

import (
	"bytes"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/outset-settings/outset/internal/metrics"
)

// subsystem is the second word of the names of metrics.
const subsystem = "api"

// Metrics are those of a hub and a feed.
type Metrics struct {
	streams                 *prometheus.GaugeVec
	watchers, followers     prometheus.Gauge
	behind                  *prometheus.GaugeVec
	slowWatchers            prometheus.Gauge
	slowFollowers           prometheus.Gauge
	events                  *prometheus.CounterVec
	toWatchers, toFollowers prometheus.Counter
	notifications           prometheus.Counter
}

// The values of the label that tells what a stream is of.
const (
	ofUser  = "user"
	ofUsers = "users"
)

// NewMetrics returns metrics of nothing yet.
func NewMetrics() *Metrics {
	m := &Metrics{
		streams: metrics.Set(subsystem, "streams", "Clients that are told of changes.", "of"),
		behind: metrics.Set(subsystem, "streams_behind",
			"Those of them that have not taken yet what is sent to them.", "of"),
		events: metrics.Counter(subsystem, "events_sent_total",
			"Changes that clients were told.", "of"),
		notifications: metrics.Counter(subsystem, "notifications_received_total",
			"Notifications of changes to users who are watched, from workers.").WithLabelValues(),
	}
	m.watchers, m.toWatchers = m.streams.WithLabelValues(ofUser), m.events.WithLabelValues(ofUser)
	m.slowWatchers = m.behind.WithLabelValues(ofUser)
	m.slowFollowers = m.behind.WithLabelValues(ofUsers)
	m.followers = m.streams.WithLabelValues(ofUsers)
	m.toFollowers = m.events.WithLabelValues(ofUsers)
	return m
}

// All returns all of them.
func (m *Metrics) All() []prometheus.Collector {
	return []prometheus.Collector{m.streams, m.behind, m.events, m.notifications}
}

// countEvents counts the events of changes in a text that was sent.
func countEvents(counter prometheus.Counter, text []byte) {
	if n := bytes.Count(text, []byte(beginEvent)); n > 0 {
		counter.Add(float64(n))
	}
}
