package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5"

	"github.com/outset-settings/outset/bench/delay"
	"github.com/outset-settings/outset/bench/report"
)

// scaleWorkers measures Outset with several numbers of workers on a database that is far away.
// There are some connections for each worker: batches as large as the connections allow hide any
// wait, so with a fixed number of connections one worker does what sixteen do. Load that grows with
// the workers shows whether they stand in each other's way; it is small, so that the processors
// aren't what limits it.
func scaleWorkers(ctx context.Context, l *lab) error {
	database, err := l.database(ctx, "outset", l.users)
	if err != nil {
		return err
	}
	far, stop, err := l.farAway(ctx, database)
	if err != nil {
		return err
	}
	defer stop()
	l.note(fmt.Sprintf("The experiment with workers has %d connections for each worker, and %v more for each round trip.", l.perWorker, l.wait))
	for round := range l.rounds {
		for _, workers := range l.scale {
			if err := l.withWorkers(ctx, far, workers, round); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *lab) withWorkers(ctx context.Context, database string, workers, round int) error {
	s, err := l.startOutset(ctx, spec{name: "outset", kind: "outset", number: workers}, database)
	if err != nil {
		return err
	}
	defer s.stop()
	for _, operation := range []string{read, replace} {
		j := job{
			kind: report.Workers, operation: operation, connections: l.perWorker * workers,
			users: l.users,
		}
		if err := l.closedLoop(ctx, s, j, round); err != nil {
			return err
		}
	}
	return nil
}

// farAway returns the URL of the same database behind a slow wire.
func (l *lab) farAway(ctx context.Context, database string) (far string, stop func(), err error) {
	config, err := pgx.ParseConfig(database)
	if err != nil {
		return "", nil, err
	}
	dir, err := os.MkdirTemp("", "outset-far-")
	if err != nil {
		return "", nil, err
	}
	const socket = ".s.PGSQL.5432"
	listener, err := net.Listen("unix", filepath.Join(dir, socket))
	if err != nil {
		return "", nil, err
	}
	u, err := url.Parse(database)
	if err != nil {
		return "", nil, err
	}
	query := u.Query()
	query.Set("host", dir)
	u.RawQuery = query.Encode()
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		done <- delay.Serve(ctx, listener, "unix", filepath.Join(config.Host, socket),
			l.wait)
	}()
	return u.String(), func() {
		cancel()
		if err := <-done; err != nil {
			l.log.Error("the slow wire", "error", err)
		}
		_ = os.RemoveAll(dir)
	}, nil
}
