// Command worker answers the API's requests from Postgres. It keeps no state and listens to
// no one but NATS: run as many as the load needs.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/internal/program"
	"github.com/outset-settings/outset/internal/worker"
)

func main() {
	os.Exit(program.Main("worker", "A worker of Outset: takes requests from NATS and keeps users' settings in Postgres.", &cli{}))
}

type cli struct {
	program.Common
	worker.Config
	DatabaseURL string   `env:"DATABASE_URL" secret:"" default:"postgres://127.0.0.1:5432/outset" placeholder:"URL" help:"the Postgres database"`
	Admin       string   `name:"admin" env:"ADMIN_ADDR" default:"127.0.0.1:9091" placeholder:"ADDR" help:"where health and metrics are served; port 0 takes a free one"`
	HTTPHosts   []string `name:"http-hosts" env:"HTTP_HOSTS" placeholder:"NAME" help:"names under which ADMIN_ADDR may be asked, besides localhost and IP addresses; *.NAME for all below it, * for all"`
	program.NATS

	Serve   serve   `cmd:"" default:"1" help:"take requests from the queue (the default)"`
	Migrate migrate `cmd:"" help:"make or migrate the tables of the database, and exit"`
	Health  health  `cmd:"" help:"exit with 0 if the worker at ADMIN_ADDR is ready"`
}

type serve struct{}

// Run works until ctx ends, and then finishes what it has taken.
func (serve) Run(ctx context.Context, c *cli) error {
	program.LazyGC(400)
	program.OneProcessor()
	log := c.Logger()
	tracer, stopTraces, err := program.Traces(ctx, "outset-worker", log)
	if err != nil {
		return err
	}
	defer stopTraces()
	c.Tracer = tracer
	return program.Anew(ctx, log, func(ctx context.Context, whenClosed nats.Option) error {
		return c.work(ctx, log, whenClosed)
	})
}

// work takes requests as long as there can be a connection to NATS.
func (c *cli) work(ctx context.Context, log *slog.Logger, whenClosed nats.Option) error {
	connect := func(name string, options ...nats.Option) (*nats.Conn, error) {
		return c.Connect(name, log, append(options, whenClosed)...)
	}
	w, err := worker.Open(ctx, c.DatabaseURL, connect, c.Config, program.Version(), log)
	if err != nil {
		return err
	}
	defer w.Close()
	admin, err := program.ListenAdmin(c.Admin, c.HTTPHosts, w.Ready, log)
	if err != nil {
		return err
	}
	admin.Export(w.Metrics())
	return admin.Around(ctx, w.Run)
}

type migrate struct{}

// Run migrates the database once it is reachable.
func (migrate) Run(ctx context.Context, c *cli) error {
	return worker.Migrate(ctx, c.DatabaseURL, c.Logger())
}

type health struct{}

// Run asks the worker whether it is ready.
func (health) Run(ctx context.Context, c *cli) error { return program.AskReady(ctx, c.Admin) }
