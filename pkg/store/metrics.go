package store

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/outset-settings/outset/internal/metrics"
	"github.com/outset-settings/outset/internal/tracing"
)

// subsystem is the second word of the names of metrics.
const subsystem = "postgres"

// figures are what a store counts.
type figures struct {
	roundTrips                  *prometheus.HistogramVec
	read, replace, lock, commit timed
	dropFailures                prometheus.Counter

	measured      time.Time // when the history was; zero: never. Prune alone has it
	historyBytes  atomic.Int64
	historyLength atomic.Int64 // in versions, about
}

// timed are the round trips of one kind.
type timed struct {
	operation string
	seconds   prometheus.Observer
}

// time makes a round trip, with a span if ctx has one.
func (t timed) time(ctx context.Context, roundTrip func() error) error {
	span := tracing.From(ctx).Query(t.operation)
	began := time.Now()
	err := roundTrip()
	metrics.Observe(t.seconds, time.Since(began), span.Place().Exemplar())
	span.Fail(failureOf(err))
	span.End()
	return err
}

// failureOf names an error of Postgres by its SQLSTATE; "" for none.
func failureOf(err error) string {
	if err == nil {
		return ""
	}
	code, _ := sqlState(err)
	switch {
	case code != "":
		return code
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	default:
		return "connection"
	}
}

// acquire takes a connection for use, with a span if ctx has one: it may have to wait.
func (s *Store) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	span := tracing.From(ctx).Query("acquire")
	conn, err := s.pool.Acquire(ctx)
	span.Fail(failureOf(err))
	span.End()
	return conn, err
}

func newFigures() *figures {
	f := &figures{roundTrips: metrics.Seconds(subsystem, "round_trip_seconds",
		"How long round trips to Postgres took, of batches of operations.", "operation")}
	of := func(operation string) timed {
		return timed{operation, f.roundTrips.WithLabelValues(operation)}
	}
	f.read, f.replace, f.lock, f.commit = of("read"), of("replace"), of("lock"), of("commit")
	f.dropFailures = metrics.Counter(subsystem, "history_drop_failures_total",
		"Looks after writes for documents beyond the budget that failed.").WithLabelValues()
	return f
}

// historyEvery is how often the history is measured.
const historyEvery = time.Minute

// measureHistory finds out how large the history is, unless that was done lately. It asks for
// what Postgres knows anyway: the sizes of files, and how many rows the last autovacuum estimated.
func (s *Store) measureHistory(ctx context.Context) {
	if time.Since(s.figures.measured) < historyEvery {
		return
	}
	var bytes, versions int64
	err := s.with(ctx, func(conn *pgxpool.Conn) error {
		return conn.QueryRow(ctx, `
			select pg_total_relation_size(oid), greatest(reltuples, 0)::bigint
			from pg_class
			where oid = 'settings_log'::regclass`).Scan(&bytes, &versions)
	})
	if err != nil { // then pruning fails, too, and is logged
		return
	}
	s.figures.measured = time.Now()
	s.figures.historyBytes.Store(bytes)
	s.figures.historyLength.Store(versions)
}

// Metrics returns the metrics of the database.
func (s *Store) Metrics() []prometheus.Collector {
	f := s.figures
	gauge := func(name, help string, value func(*pgxpool.Stat) float64) prometheus.Collector {
		return metrics.Gauge(subsystem, name, help, nil,
			func() float64 { return value(s.pool.Stat()) })
	}
	counter := func(name, help string, value func(*pgxpool.Stat) float64) prometheus.Collector {
		return metrics.CounterOf(subsystem, name, help, nil,
			func() float64 { return value(s.pool.Stat()) })
	}
	return []prometheus.Collector{
		f.roundTrips, f.dropFailures,
		gauge("connections", "Connections of the pool.",
			func(p *pgxpool.Stat) float64 { return float64(p.TotalConns()) }),
		gauge("connections_in_use", "Those of them that are in use.",
			func(p *pgxpool.Stat) float64 { return float64(p.AcquiredConns()) }),
		gauge("connections_max", "How many there may be.",
			func(p *pgxpool.Stat) float64 { return float64(p.MaxConns()) }),
		counter("connections_opened_total", "Connections that were made.",
			func(p *pgxpool.Stat) float64 { return float64(p.NewConnsCount()) }),
		counter("acquires_total", "How often one was taken for use.",
			func(p *pgxpool.Stat) float64 { return float64(p.AcquireCount()) }),
		counter("acquire_wait_seconds_total",
			"How long that had to wait for a free one, summed up.",
			func(p *pgxpool.Stat) float64 { return p.EmptyAcquireWaitTime().Seconds() }),
		metrics.Gauge(subsystem, "history_bytes", "The history on disk, with its indexes.", nil,
			func() float64 { return float64(f.historyBytes.Load()) }),
		metrics.Gauge(subsystem, "history_versions", "Versions in it, as Postgres estimates.", nil,
			func() float64 { return float64(f.historyLength.Load()) }),
	}
}
