// Package testmetrics reads metrics in tests.
package testmetrics

import (
	"bufio"
	"bytes"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

// Values are the values of series by name and labels, as Prometheus writes them, with the labels in
// the order of the alphabet: up{job="x",zone="y"}. A histogram has _count, _sum and _bucket.
type Values map[string]float64

// Of returns the values of metrics.
func Of(t testing.TB, metrics []prometheus.Collector) Values {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	for _, m := range metrics {
		if err := r.Register(m); err != nil {
			t.Fatal(err)
		}
	}
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&text, f); err != nil {
			t.Fatal(err)
		}
	}
	return Parse(t, text.String())
}

// Parse reads the values in Prometheus's text format.
func Parse(t testing.TB, text string) Values {
	t.Helper()
	values := make(Values)
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "#") {
			continue
		}
		i := strings.LastIndexByte(line, ' ')
		value, err := strconv.ParseFloat(line[i+1:], 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		values[line[:i]] = value
	}
	return values
}

// Want fails the test unless these series have these values.
func (v Values) Want(t testing.TB, want Values) {
	t.Helper()
	for series, value := range want {
		if got, ok := v[series]; got != value || !ok {
			t.Errorf("%s is %v (exported: %v), want %v", series, got, ok, value)
		}
	}
}
