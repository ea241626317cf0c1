package main

import (
	"context"

	"github.com/outset-settings/outset/internal/program"
	"github.com/outset-settings/outset/internal/worker"
)

// migrate is for databases whose workers may not change tables.
type migrate struct {
	DatabaseURL string `env:"DATABASE_URL" secret:"" default:"postgres://127.0.0.1:5432/outset" placeholder:"URL" help:"the Postgres database, as a role that may make tables"`
	program.Log
}

// Run migrates the database once it is reachable.
func (m migrate) Run(ctx context.Context) error {
	return worker.Migrate(ctx, m.DatabaseURL, m.Logger())
}
