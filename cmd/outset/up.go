package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/internal/api"
	"github.com/outset-settings/outset/internal/localnats"
	"github.com/outset-settings/outset/internal/localpg"
	"github.com/outset-settings/outset/internal/program"
	"github.com/outset-settings/outset/internal/worker"
)

// up runs the whole system in one process. It starts no NATS server if it is given one by NATS_URL,
// and no Postgres if it is given one by DATABASE_URL.
type up struct {
	Data    string `env:"OUTSET_DATA" placeholder:"DIR" help:"data directory of Postgres (default: /var/lib/outset for root, else outset in the user's data directory)"`
	Workers int    `default:"2" placeholder:"N" help:"number of workers in this process"`

	NATSAddr string `name:"nats" env:"NATS_ADDR" default:"127.0.0.1:4222" placeholder:"ADDR" help:"address of the embedded NATS server"`
	NATSURL  string `name:"nats-url" env:"NATS_URL" secret:"" placeholder:"URL" help:"use this NATS server instead of an embedded one"`
	program.NATSIdentity
	DatabaseURL string `env:"DATABASE_URL" secret:"" placeholder:"URL" help:"use this Postgres database instead of starting one"`

	API    api.Config    `embed:""`
	Limits worker.Config `embed:""`
	Admin  string        `name:"admin" env:"ADMIN_ADDR" default:"127.0.0.1:9090" placeholder:"ADDR" help:"address of health checks, metrics and the console; port 0 takes a free port"`

	program.Log
}

const (
	databaseStart = time.Minute // how long Postgres may take to start, recovery included
	databaseStop  = 30 * time.Second
)

// Run starts everything and prints the addresses. When ctx ends it stops everything in the reverse
// order, so that no accepted request is dropped. When a part fails the rest is stopped, too.
func (u up) Run(ctx context.Context, stdout io.Writer) error {
	start := time.Now()
	log := u.Logger()
	if u.Workers < 1 {
		return program.Usage(errors.New("--workers must be at least 1"))
	}
	u.API.Console = true
	if u.API.Auth == "" {
		u.API.Auth = "required"
	}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	stopTraces, err := u.startTraces(ctx, log)
	if err != nil {
		return err
	}
	defer stopTraces()

	queue, err := u.openQueue()
	if err != nil {
		return err
	}
	defer queue.close(log)
	ctx, whenClosed := program.UntilClosed(ctx)
	nc, err := api.Connect(func(name string, options ...nats.Option) (*nats.Conn, error) {
		return queue.Connect(name, log, append(options, whenClosed, queue.as(localnats.API))...)
	})
	if err != nil {
		return err
	}
	defer nc.Close()
	u.API.MaxDocument = u.Limits.MaxDocument
	// Listen before the database starts, so that an address in use is reported at once.
	server, err := api.Listen(nc, u.API, log)
	if err != nil {
		return err
	}
	admin, err := program.ListenAdmin(u.Admin, u.API.HTTPHosts, server.Ready, log)
	if err != nil {
		return err
	}
	if err := server.ServeOn(admin); err != nil {
		return err
	}
	admin.Export(server.Metrics())

	database, about := u.DatabaseURL, "see DATABASE_URL" // which may have a password
	if database == "" {
		postgres, err := u.startPostgres(ctx, log)
		if err != nil {
			return err
		}
		defer stopPostgres(postgres, log)
		go func() {
			<-postgres.Done()
			fail(postgres.Err())
		}()
		database = postgres.URL()
		about = postgres.URL() + "\n  data      " + postgres.Dir()
		if postgres.New() {
			about += " (a new database)"
		}
	}
	if err := queue.saveKeys(u.Data); err != nil {
		if u.DatabaseURL == "" {
			return err
		}
		// With another's database nothing else needs the directory.
		log.Warn("outset top will need NATS_NKEY", "error", err)
	}
	ready := make(chan struct{}, u.Workers)
	stopWorkers := u.startWorkers(ctx, queue, database, admin, log, ready, fail)
	defer stopWorkers()
	go func() {
		for range u.Workers {
			select {
			case <-ready:
			case <-ctx.Done():
				return
			}
		}
		if !waitReady(ctx, server.Ready) {
			return
		}
		token, err := u.firstToken(ctx, database)
		if err != nil {
			fail(fmt.Errorf("making a first token: %w", err))
			return
		}
		u.announce(stdout, server.URL(), admin.Addr(), queue.String(), about, token,
			time.Since(start))
	}()
	err = admin.Around(ctx, server.Run)
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		err = errors.Join(cause, err)
	}
	return err
}

// startTraces has the API and the workers traced, each as a service of its own.
func (u *up) startTraces(ctx context.Context, log *slog.Logger) (stop func(), err error) {
	api, stopAPI, err := program.Traces(ctx, "outset-api", log)
	if err != nil {
		return nil, err
	}
	workers, stopWorkers, err := program.Traces(ctx, "outset-worker", log)
	if err != nil {
		return nil, err
	}
	u.API.Tracer, u.Limits.Tracer = api, workers
	return func() {
		stopAPI()
		stopWorkers()
	}, nil
}

func (u up) startPostgres(ctx context.Context, log *slog.Logger) (*localpg.Server, error) {
	dir, err := dataDir(u.Data)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, databaseStart)
	defer cancel()
	postgres, err := localpg.Start(ctx, localpg.Options{
		Dir: dir, Log: log,
		// Some are for others, and for what a server keeps to itself.
		Settings: map[string]string{
			"max_connections": strconv.Itoa(max(100, (u.Workers+4)*worker.Connections)),
		},
	})
	if err != nil {
		return nil, fmt.Errorf("--data, OUTSET_DATA: %w", err)
	}
	return postgres, nil
}

// dataDir returns what --data says, or its default.
func dataDir(given string) (string, error) {
	if given != "" {
		return given, nil
	}
	if os.Geteuid() == 0 {
		// Postgres refuses to run as root, and other users can't enter root's home directory.
		return "/var/lib/outset", nil
	}
	if dir := os.Getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "outset"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("choose a directory with --data: %w", err)
	}
	return filepath.Join(home, ".local", "share", "outset"), nil
}

func stopPostgres(postgres *localpg.Server, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), databaseStop)
	defer cancel()
	if err := postgres.Stop(ctx); err != nil {
		log.Error("stopping Postgres", "error", err)
	}
}

// startWorkers starts the workers, each with connections of its own as if it were a process of its
// own. Each tells ready when it can serve. The function that it returns stops them and waits until
// they have ended.
func (u up) startWorkers(
	ctx context.Context, queue *queue, database string, admin *program.Admin, log *slog.Logger,
	ready chan<- struct{}, fail func(error),
) (stop func()) {
	// They outlive ctx, because the API may still have requests for them.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	for i := range u.Workers {
		running.Go(func() {
			if err := u.runWorker(ctx, i+1, queue, database, admin, log, ready); err != nil {
				fail(fmt.Errorf("worker: %w", err))
			}
		})
	}
	return func() {
		cancel()
		running.Wait()
	}
}

func (u up) runWorker(
	ctx context.Context, number int, queue *queue, database string, admin *program.Admin,
	log *slog.Logger, ready chan<- struct{},
) error {
	ctx, whenClosed := program.UntilClosed(ctx)
	connect := func(name string, options ...nats.Option) (*nats.Conn, error) {
		return queue.Connect(name, log, append(options, whenClosed, queue.as(localnats.Worker))...)
	}
	w, err := worker.Open(ctx, database, connect, u.Limits, program.Version(), log)
	if err != nil {
		return err
	}
	defer w.Close()
	admin.ExportWorker(number, w.Metrics())
	waiting, stopWaiting := context.WithCancel(ctx)
	var waits sync.WaitGroup
	waits.Go(func() {
		if waitReady(waiting, w.Ready) {
			ready <- struct{}{}
		}
	})
	defer waits.Wait()
	defer stopWaiting()
	return errors.Join(w.Run(ctx), program.WhyClosed(ctx))
}

// waitReady returns true once ready returns nil, or false if ctx ends before.
func waitReady(ctx context.Context, ready func(context.Context) error) bool {
	for ready(ctx) != nil {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return false
		}
	}
	return true
}

func (u up) announce(
	w io.Writer, http, admin, nats, database, token string, took time.Duration,
) {
	_, _ = fmt.Fprintf(w, `
Outset is ready after %.1f s, with %s. Stop it with Ctrl-C.

  API       %s
  console   %s/console
  docs      %s/docs
  health    http://%s/readyz
  metrics   http://%s/metrics
  NATS      %s
  Postgres  %s

%sTry:

  curl -i %s-H 'Content-Type: application/json' -d '{"theme":"dark","language":"fr"}' %s/user/me/settings
  curl -i %s%s/user/me/settings

`, took.Seconds(), count(int64(u.Workers), "worker"), http, http, http, admin, admin, nats, database,
		u.aboutTokens(token),
		u.authorization(), http, u.authorization(), http)
}
