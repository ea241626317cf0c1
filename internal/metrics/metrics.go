// Package metrics makes the metrics of all packages that are measured, so that they are alike.
// docs/metrics.md has all that is exported.
//
// Each package that is measured has its own metrics in a file metrics.go, and a method Metrics that
// returns them; internal/program serves them. Nothing is registered globally, so a process may have
// several of each.
package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// namespace is the first word of all names.
const namespace = "outset"

// secondsBuckets are those of all times: a read takes about a millisecond, and no request takes
// much longer than REQUEST_TIMEOUT, five seconds unless set otherwise.
var secondsBuckets = []float64{
	.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10,
}

// countBuckets are those of batches, of which the largest have 512 operations.
var countBuckets = prometheus.ExponentialBuckets(1, 2, 10)

// The native histograms beside the classic ones. Each of their buckets is a tenth wider than the
// one before, or more where that would be too many.
const (
	nativeFactor   = 1.1
	nativeBuckets  = 160
	nativeLifetime = time.Hour // after which buckets that became too wide may begin anew
)

// Seconds returns a histogram of times.
func Seconds(subsystem, name, help string, labels ...string) *prometheus.HistogramVec {
	return histogram(subsystem, name, help, secondsBuckets, labels)
}

// Observe observes a time, with the exemplar unless that is nil.
func Observe(o prometheus.Observer, took time.Duration, exemplar map[string]string) {
	if e, ok := o.(prometheus.ExemplarObserver); ok && exemplar != nil {
		e.ObserveWithExemplar(took.Seconds(), exemplar)
		return
	}
	o.Observe(took.Seconds())
}

// Counts returns a histogram of how many there are of something, up to 512.
func Counts(subsystem, name, help string, labels ...string) *prometheus.HistogramVec {
	return histogram(subsystem, name, help, countBuckets, labels)
}

func histogram(subsystem, name, help string, buckets []float64, labels []string,
) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Subsystem: subsystem, Name: name, Help: help, Buckets: buckets,
		NativeHistogramBucketFactor:     nativeFactor,
		NativeHistogramMaxBucketNumber:  nativeBuckets,
		NativeHistogramMinResetDuration: nativeLifetime,
	}, labels)
}

// Counter returns a counter with these labels, of which each combination of values is exported once
// it was asked for.
func Counter(subsystem, name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Subsystem: subsystem, Name: name, Help: help,
	}, labels)
}

// Set returns a gauge that is set or counted up and down, with these labels.
func Set(subsystem, name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: namespace, Subsystem: subsystem, Name: name, Help: help,
	}, labels)
}

// CounterOf returns a counter that value counts.
func CounterOf(subsystem, name, help string, labels prometheus.Labels, value func() float64,
) prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{
		Namespace: namespace, Subsystem: subsystem, Name: name, Help: help, ConstLabels: labels,
	}, value)
}

// Gauge returns a gauge that shows value.
func Gauge(subsystem, name, help string, labels prometheus.Labels, value func() float64,
) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: namespace, Subsystem: subsystem, Name: name, Help: help, ConstLabels: labels,
	}, value)
}

// Desc describes a metric of a collector of one's own.
func Desc(subsystem, name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, subsystem, name), help, labels, nil)
}

// Is is 1 for true and 0 for false.
func Is(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
