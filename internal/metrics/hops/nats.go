package hops

import (
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/outset-settings/outset/internal/metrics"
)

// NATS returns the metrics of a connection of this name. The subsystem is the program's.
func NATS(subsystem, name string, nc *nats.Conn) []prometheus.Collector {
	of := prometheus.Labels{"connection": name}
	return []prometheus.Collector{
		metrics.Gauge(subsystem, "nats_connected", "Whether the connection to NATS is there.", of,
			func() float64 { return metrics.Is(nc.IsConnected()) }),
		metrics.CounterOf(subsystem, "nats_reconnects_total", "How often it was made again.", of,
			func() float64 { return float64(nc.Stats().Reconnects) }),
	}
}
