package store

import (
	"context"
	"database/sql/driver"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"golang.org/x/time/rate"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrationLock is the key of the advisory lock that lets one program migrate at
// a time: the ASCII codes of "outset".
const migrationLock = 0x6f7574736574

// While a migration waits to lock a table, behind a pg_dump for instance, every statement of the
// workers on that table waits behind the migration. So an attempt waits only for a moment, and is
// repeated after a pause.
const (
	// tableLockTimeout is for one table: two in a row still stay below a worker's lock timeout.
	tableLockTimeout = 100 * time.Millisecond
	// tableLockPause is the shortest pause between two attempts.
	tableLockPause = time.Second
	// migratorTimeout is how long to wait for another program that migrates before saying so.
	migratorTimeout = 10 * time.Second
	// stalledTimeout is how long Postgres bears with a program that is frozen with tables locked.
	stalledTimeout = 3 * time.Second
)

// Migrate brings the database schema at url up to what this program needs. Any number of programs
// may do so at once. A schema that is newer than the program is left as it is: migrations are
// written so that the version before them goes on working. If Migrate can't get a lock, or loses
// its connection on the way, it retries until ctx ends, and blocks nobody for more than a moment.
func Migrate(ctx context.Context, url string) error {
	return migrateAt(ctx, url, ownMigrations(), func(error) {})
}

// ownMigrations returns the migrations of this program.
func ownMigrations() fs.FS {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // only an invalid name is an error
	}
	return files
}

// migrateAt calls waiting after each attempt that could not get its locks.
func migrateAt(ctx context.Context, url string, files fs.FS, waiting func(error)) error {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return addressError(url, err)
	}
	config.ConnectTimeout = defaultTimeouts.connect
	if err := migrate(ctx, config, files, waiting); err != nil {
		return fmt.Errorf("DATABASE_URL: %w", lineError{err})
	}
	return nil
}

// lineError shortens an error of pgx to one line. Of all the attempts to connect that pgx lists
// (each address, with TLS and without) it keeps the last.
type lineError struct{ error }

func (o lineError) Unwrap() error { return o.error }

func (o lineError) Error() string {
	text := strings.TrimSpace(o.error.Error())
	return strings.TrimSpace(text[strings.LastIndexByte(text, '\n')+1:])
}

// repeatEvery is how often a program that waits for its database says so.
const repeatEvery = 30 * time.Second

// MigrateWhenReachable is Migrate for a program that may start before its database does:
// it tries every second until ctx ends, unless the database answers with a refusal.
func MigrateWhenReachable(ctx context.Context, url string, log *slog.Logger) error {
	locked := rate.Sometimes{First: 1, Interval: repeatEvery}
	down := rate.Sometimes{First: 1, Interval: repeatEvery}
	waiting := func(err error) {
		locked.Do(func() {
			log.Warn("the tables can't be migrated yet; retrying", "error", err)
		})
	}
	for {
		err := migrateAt(ctx, url, ownMigrations(), waiting)
		if err == nil || ctx.Err() != nil || !unreachable(err) {
			return err
		}
		down.Do(func() { log.Warn("the database is not reachable yet; retrying", "error", err) })
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// AwaitMigration is MigrateWhenReachable for a worker, whose role need not be allowed to migrate:
// then it waits until somebody else has done so.
func AwaitMigration(ctx context.Context, url string, log *slog.Logger) error {
	sometimes := rate.Sometimes{First: 1, Interval: repeatEvery}
	for {
		err := MigrateWhenReachable(ctx, url, log)
		if !notAllowed(err) {
			return err
		}
		sometimes.Do(func() {
			log.Warn("the tables must be migrated, and the role of DATABASE_URL may not do that; "+
				"run \"worker migrate\" as one that may", "error", err)
		})
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// notAllowed reports whether the role lacks a right.
func notAllowed(err error) bool {
	const insufficientPrivilege = "42501"
	var fromServer *pgconn.PgError
	return errors.As(err, &fromServer) && fromServer.Code == insufficientPrivilege
}

// unreachable reports whether the database may become reachable by itself: nothing answers, or it
// is starting, stopping or out of resources (classes 57P and 53).
func unreachable(err error) bool {
	var fromServer *pgconn.PgError
	if errors.As(err, &fromServer) {
		return strings.HasPrefix(fromServer.Code, "57P") || strings.HasPrefix(fromServer.Code, "53")
	}
	var connecting *pgconn.ConnectError
	return errors.As(err, &connecting)
}

func migrate(
	ctx context.Context, config *pgx.ConnConfig, files fs.FS, waiting func(error),
) error {
	// The lock lives as long as its connection, so a program that dies releases it.
	// goose has a lock of its own, but one that polls by the second.
	guard, err := pgx.ConnectConfig(ctx, withParams(config, map[string]string{
		"lock_timeout":      milliseconds(migratorTimeout),
		"statement_timeout": "0", // whatever the role's is
	}))
	if err != nil {
		return err
	}
	defer func() { _ = guard.Close(context.WithoutCancel(ctx)) }()
	if err := checkEncoding(ctx, guard); err != nil {
		return err
	}

	db := stdlib.OpenDB(*withParams(config, map[string]string{
		"lock_timeout":                        milliseconds(tableLockTimeout),
		"idle_in_transaction_session_timeout": milliseconds(stalledTimeout),
	}))
	defer func() { _ = db.Close() }()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files)
	if err != nil {
		return err
	}
	text, err := fs.ReadFile(files, firstMigration)
	if err != nil {
		return err
	}
	sum := checksum(text)
	for {
		// The lock is kept between the attempts, so that programs that wait don't take turns to
		// block the workers. Taking it again shows whether the connection still works.
		if _, err = guard.Exec(ctx, `select pg_advisory_lock($1)`, migrationLock); err == nil {
			err = up(ctx, provider, guard, sum)
		}
		// On a machine that is too busy Postgres takes this program for one that is frozen, and
		// ends the connection (stalledTimeout).
		if !lockTimedOut(err) && !errors.Is(err, driver.ErrBadConn) {
			return err
		}
		waiting(lineError{err})
		select {
		//nolint:gosec // jitter, not a secret
		case <-time.After(tableLockPause + rand.N(tableLockPause)):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// withParams returns the configuration with these server settings added.
func withParams(config *pgx.ConnConfig, params map[string]string) *pgx.ConnConfig {
	config = config.Copy()
	maps.Copy(config.RuntimeParams, params)
	return config
}

// checkEncoding refuses a database that couldn't hold every document.
func checkEncoding(ctx context.Context, conn *pgx.Conn) error {
	var encoding string
	if err := conn.QueryRow(ctx, `show server_encoding`).Scan(&encoding); err != nil {
		return err
	}
	if encoding != "UTF8" {
		return fmt.Errorf("the database's encoding is %s; create one with encoding UTF8", encoding)
	}
	return nil
}
