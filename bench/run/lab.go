package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/outset-settings/outset/bench/process"
	"github.com/outset-settings/outset/bench/report"
	"github.com/outset-settings/outset/internal/localpg"
)

// lab is what the sides share: one Postgres, the programs, and the report.
type lab struct {
	options
	log      *slog.Logger
	dir      string // of the logs, and of the data unless there is a folder for them
	bin      string
	postgres *localpg.Server
	seeded   map[string]string // URLs of the databases that are there
	warm     map[string]bool   // what has been asked of which side
	planned  []job
	report   *report.Report
}

// postgresSettings are beyond Postgres's defaults: room for the data, which fit into memory, and
// for the log between two checkpoints. Durability is as by default: fsync, synchronous_commit,
// full_page_writes.
var postgresSettings = map[string]string{
	"shared_buffers":  "512MB",
	"max_wal_size":    "4GB",
	"max_connections": "300",
	"min_wal_size":    "3GB",
}

func newLab(ctx context.Context, o options, log *slog.Logger) (l *lab, err error) {
	l = &lab{
		options: o, log: log, seeded: make(map[string]string), warm: make(map[string]bool),
		report: &report.Report{
			Began: time.Now(), Rounds: o.rounds, Duration: o.duration, Commit: commit(ctx),
			Command: "go run ./bench/run " + strings.Join(os.Args[1:], " "),
		},
	}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	if l.dir, err = os.MkdirTemp("", "outset-bench-"); err != nil {
		return l, err
	}
	if err := os.Chmod(l.dir, 0o755); err != nil { // Postgres may run as somebody else
		return l, err
	}
	if l.bin, err = filepath.Abs("bin/bench"); err != nil {
		return l, err
	}
	log.Info("building")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", l.bin+"/",
		"./cmd/api", "./cmd/worker", "./bench/direct", "./bench/static", "./bench/queue",
		"./bench/openloop")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return l, fmt.Errorf("go build: %w\n%s", err, out)
	}
	if _, err := exec.LookPath("wrk"); err != nil {
		return l, errors.New("wrk is missing: deploy/need-tool.sh wrk")
	}
	data := o.data
	if data == "" {
		data = filepath.Join(l.dir, "postgres")
	}
	log.Info("starting Postgres", "dir", data)
	if l.postgres, err = localpg.Start(ctx, localpg.Options{
		Dir: data, Log: log,
		Settings: postgresSettings,
	}); err != nil {
		return l, err
	}
	err = l.fillLog(ctx)
	return l, err
}

// fillLog has Postgres make the files of its write-ahead log now. A server that has run for a while
// uses old ones again; in a new one making and zeroing them is up to a tenth of what a write takes.
func (l *lab) fillLog(ctx context.Context) error {
	const files = 3 << 30 / (16 << 20) // min_wal_size
	for range files {
		if err := execute(ctx, l.postgres.URL(), `select pg_logical_emit_message(false, 'bench', 'next'), pg_switch_wal()`); err != nil {
			return err
		}
	}
	return execute(ctx, l.postgres.URL(), `checkpoint`)
}

// close stops Postgres and removes what was made.
func (l *lab) close() {
	if l.postgres != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		for name := range l.seeded {
			l.drop(ctx, name)
		}
		if err := l.postgres.Stop(ctx); err != nil {
			l.log.Error("stopping Postgres", "error", err)
		}
	}
	_ = os.RemoveAll(l.dir)
}

func (l *lab) program(name string) string { return filepath.Join(l.bin, name) }

// postgresPart is the server with all its processes. Its memory is mostly shared between them, so
// it isn't counted.
func (l *lab) postgresPart() process.Part {
	return process.Part{Name: "postgres", PID: l.postgres.PID()}
}

// note tells people something now and in the report.
func (l *lab) note(text string) {
	l.log.Info("noted", "what", text)
	l.report.Notes = append(l.report.Notes, text)
}
