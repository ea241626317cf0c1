package main

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// databaseName is the name in a URL of a database.
func databaseName(url string) string {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return ""
	}
	return config.Database
}

// libpqEnv are the variables that lead to the server of a URL.
func libpqEnv(url string) ([]string, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	return []string{"PGHOST=" + config.Host, "PGPORT=5432", "PGUSER=" + config.User}, nil
}

// transactions counts a database's transactions per second while something runs. Postgres's figures
// are up to a second old, always about as much, so it needs some seconds.
type transactions struct {
	stop func()
	rate chan float64
}

func (l *lab) countTransactions(ctx context.Context, database string) transactions {
	ctx, cancel := context.WithCancel(ctx)
	t := transactions{stop: cancel, rate: make(chan float64, 1)}
	go func() { t.rate <- l.transactionRate(ctx, databaseName(database)) }()
	return t
}

// perSecond ends the counting; 0 when it was too short.
func (t transactions) perSecond() float64 {
	t.stop()
	return <-t.rate
}

// transactionRate counts until ctx ends.
func (l *lab) transactionRate(ctx context.Context, name string) float64 {
	conn, err := pgx.Connect(ctx, l.postgres.URL())
	if err != nil {
		return 0
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	const every, first, least = 250 * time.Millisecond, 1200 * time.Millisecond,
		1500 * time.Millisecond
	began := time.Now()
	var start, last time.Time
	var startCount, lastCount int64
	for {
		select {
		case <-ctx.Done():
			if start.IsZero() || last.Sub(start) < least {
				return 0
			}
			return float64(lastCount-startCount) / last.Sub(start).Seconds()
		case <-time.After(every):
		}
		if time.Since(began) < first {
			continue
		}
		var count int64
		const query = `select xact_commit from pg_stat_database where datname = $1`
		if err := conn.QueryRow(context.WithoutCancel(ctx), query, name).Scan(&count); err != nil {
			return 0
		}
		last, lastCount = time.Now(), count
		if start.IsZero() {
			start, startCount = last, count
		}
	}
}

// setting returns a setting of the server.
func (l *lab) setting(ctx context.Context, name string) string {
	conn, err := pgx.Connect(ctx, l.postgres.URL())
	if err != nil {
		return "?"
	}
	defer func() { _ = conn.Close(ctx) }()
	var value string
	if err := conn.QueryRow(ctx, `select current_setting($1)`, name).Scan(&value); err != nil {
		return "?"
	}
	value, _, _ = strings.Cut(value, " (")
	return value
}
