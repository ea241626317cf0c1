package worker

import (
	"context"
	"log/slog"
	"slices"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/outset-settings/outset/pkg/store"
)

// Connect returns a connection to NATS with this name and these options.
type Connect func(name string, options ...nats.Option) (*nats.Conn, error)

// Service is a worker with connections of its own.
type Service struct {
	*Worker
	database string
	store    *store.Store
	close    []func()
}

// Open returns a worker that is connected to NATS and to the database. The caller closes it.
// Neither server needs to be there yet.
func Open(ctx context.Context, database string, connect Connect, config Config, version string,
	log *slog.Logger,
) (*Service, error) {
	s := &Service{database: database}
	if err := s.open(ctx, connect, config, version, log); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Service) open(ctx context.Context, connect Connect, config Config, version string,
	log *slog.Logger,
) error {
	db, err := store.Open(ctx, s.database, Connections)
	if err != nil {
		return err
	}
	s.store = db
	s.close = append(s.close, db.Close)
	db.LimitHistory(int64(config.HistoryBytes))
	nc, err := connect("outset worker")
	if err != nil {
		return err
	}
	s.close = append(s.close, nc.Close)
	quiet := nats.ConnectHandler(nil) // one line in the log is enough
	changes, err := connect("outset worker, changes", ChangesBuffer, quiet)
	if err != nil {
		return err
	}
	s.close = append(s.close, changes.Close)
	s.Worker, err = New(nc, changes, db, config, version, log)
	return err
}

// Metrics returns the metrics of the worker and of its database.
func (s *Service) Metrics() []prometheus.Collector {
	return append(s.Worker.Metrics(), s.store.Metrics()...)
}

// Migrate brings the tables at this address up to what the worker needs, as soon as the database is
// reachable. Its error is for a role that may not do that, and for ctx.
func Migrate(ctx context.Context, database string, log *slog.Logger) error {
	return store.MigrateWhenReachable(ctx, database, log)
}

// Run migrates the database, once it is reachable, or waits until somebody else has. Then it
// answers requests until ctx ends, see [Worker.Run].
func (s *Service) Run(ctx context.Context) error {
	if err := store.AwaitMigration(ctx, s.database, s.log); err != nil {
		return err
	}
	return s.Worker.Run(ctx)
}

// Close closes the connections.
func (s *Service) Close() {
	for _, c := range slices.Backward(s.close) {
		c()
	}
}
