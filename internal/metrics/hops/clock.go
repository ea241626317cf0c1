package hops

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/outset-settings/outset/internal/clock"
	"github.com/outset-settings/outset/internal/metrics"
)

// Clock returns the metric of the database's clock, as far as the program knows it.
func Clock(subsystem string, c *clock.Clock) prometheus.Collector {
	return metrics.Gauge(subsystem, "database_clock_ahead_seconds",
		"By how much the database's clock is ahead of this machine's.", nil,
		func() float64 { return c.Ahead().Seconds() })
}
