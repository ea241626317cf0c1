package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/outset-settings/outset/internal/localpg"
)

// lab is what the sides share: one Postgres server, the programs, and the results' file.
type lab struct {
	options
	log       *slog.Logger
	dir       string // for logs, and for the data by default
	bin       string
	postgres  *localpg.Server
	databases map[string]string // URLs, by side and number of users
	nextUser  int               // the first who has never been asked about
	warm      map[string]bool   // the operations that a side has been asked for
	output    *os.File
}

// minWAL is min_wal_size in bytes.
const minWAL = 3 << 30

// postgresSettings differ from Postgres's defaults so that the data fit into memory, and the
// write-ahead log into the time between two checkpoints. Durability is as by default: fsync,
// synchronous_commit, full_page_writes.
var postgresSettings = map[string]string{
	"shared_buffers":  "512MB",
	"max_wal_size":    "4GB",
	"max_connections": "300",
	"min_wal_size":    fmt.Sprintf("%dMB", minWAL>>20),
}

func newLab(ctx context.Context, o options, log *slog.Logger) (l *lab, err error) {
	l = &lab{
		options: o, log: log, databases: make(map[string]string), warm: make(map[string]bool),
		nextUser: 20_000_000,
	}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	if _, err := exec.LookPath("wrk"); err != nil {
		return l, errors.New("wrk is missing: deploy/need-tool.sh wrk")
	}
	if l.dir, err = os.MkdirTemp("", "outset-bench-"); err != nil {
		return l, err
	}
	if err := os.Chmod(l.dir, 0o755); err != nil { // Postgres may run as another user
		return l, err
	}
	if l.bin, err = filepath.Abs("bin/bench"); err != nil {
		return l, err
	}
	log.Info("building")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", l.bin+"/",
		"./cmd/api", "./cmd/worker", "./bench/direct", "./bench/helper")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return l, fmt.Errorf("go build: %w\n%s", err, out)
	}
	if l.Data == "" {
		l.Data = filepath.Join(l.dir, "postgres")
	}
	log.Info("starting Postgres", "dir", l.Data)
	l.postgres, err = localpg.Start(ctx, localpg.Options{
		Dir: l.Data, Log: log, Settings: postgresSettings,
	})
	if err != nil {
		return l, err
	}
	if err := l.fillWAL(ctx); err != nil {
		return l, err
	}
	err = l.open(ctx)
	return l, err
}

// fillWAL has Postgres create the files of its write-ahead log. A server that has run for a while
// reuses old ones; in a new server, creating them takes up to a tenth of the time of a write.
func (l *lab) fillWAL(ctx context.Context) error {
	const fileSize = 16 << 20
	for range minWAL / fileSize {
		const next = `select pg_logical_emit_message(false, 'bench', 'next'), pg_switch_wal()`
		if err := execute(ctx, l.postgres.URL(), next); err != nil {
			return err
		}
	}
	return execute(ctx, l.postgres.URL(), `checkpoint`)
}

// close stops Postgres and removes all but the results.
func (l *lab) close() {
	if l.output != nil {
		_ = l.output.Close()
	}
	if l.postgres != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		l.dropDatabases(ctx)
		if err := l.postgres.Stop(ctx); err != nil {
			l.log.Error("stopping Postgres", "error", err)
		}
	}
	_ = os.RemoveAll(l.dir)
}

func (l *lab) program(name string) string { return filepath.Join(l.bin, name) }
