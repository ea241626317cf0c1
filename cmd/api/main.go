// Command api answers HTTP requests about users' settings by asking the workers over NATS. It keeps
// no state: run as many as you like.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/internal/api"
	"github.com/outset-settings/outset/internal/program"
)

func main() {
	const help = "The HTTP side of Outset: settings of users, kept by the workers behind NATS."
	os.Exit(program.Main("api", help, &cli{}))
}

type cli struct {
	program.Common
	api.Config
	Limit int    `name:"max-document-bytes" env:"MAX_DOCUMENT_BYTES" default:"65536" placeholder:"BYTES" help:"bytes of a document or a patch, at most 524288; the workers have the same setting"`
	Admin string `name:"admin" env:"ADMIN_ADDR" default:"127.0.0.1:9090" placeholder:"ADDR" help:"where health, metrics and the console are served; port 0 takes a free one"`
	program.NATS

	Serve  serve  `cmd:"" default:"1" help:"answer HTTP requests (the default)"`
	Health health `cmd:"" help:"exit with 0 if the API at ADMIN_ADDR is ready"`
}

type serve struct{}

// Run answers requests until ctx ends, and then those that have begun.
func (serve) Run(ctx context.Context, c *cli) error {
	c.MaxDocument = c.Limit
	if err := c.Config.Validate(); err != nil {
		return err
	}
	program.LazyGC(200)
	log := c.Logger()
	tracer, stopTraces, err := program.Traces(ctx, "outset-api", log)
	if err != nil {
		return err
	}
	defer stopTraces()
	c.Tracer = tracer
	return program.Anew(ctx, log, func(ctx context.Context, whenClosed nats.Option) error {
		return c.serve(ctx, log, whenClosed)
	})
}

// serve answers requests as long as there can be a connection to NATS.
func (c *cli) serve(ctx context.Context, log *slog.Logger, whenClosed nats.Option) error {
	nc, err := api.Connect(func(name string, options ...nats.Option) (*nats.Conn, error) {
		return c.Connect(name, log, append(options, whenClosed)...)
	})
	if err != nil {
		return err
	}
	defer nc.Close()
	server, err := api.Listen(nc, c.Config, log)
	if err != nil {
		return err
	}
	admin, err := program.ListenAdmin(c.Admin, c.HTTPHosts, server.Ready, log)
	if err != nil {
		return err
	}
	if err := server.ServeOn(admin); err != nil {
		return err
	}
	admin.Export(server.Metrics())
	return admin.Around(ctx, server.Run)
}

type health struct{}

// Run asks the API whether it is ready.
func (health) Run(ctx context.Context, c *cli) error { return program.AskReady(ctx, c.Admin) }
