package store

import (
	"context"
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

// While a migration waits to lock a table, behind a pg_dump for instance, whatever the workers ask
// of that table waits behind the migration. So it waits for a moment only, and tries again and
// again.
const (
	// two tables in a row are still less than a worker's lock timeout
	tableLockTimeout = 100 * time.Millisecond
	tableLockPause   = time.Second // at least, between two attempts
	// until one says that it waits for another program to migrate
	migratorTimeout = 10 * time.Second
	// until Postgres gives up on a program that is frozen with tables locked
	stalledTimeout = 3 * time.Second
)

// Migrate brings the schema at url up to what this program needs. Any number of programs
// may do so at once. A schema that is newer than the program is left as it is:
// migrations are written so that the version before them goes on working. While it can't have the
// locks that it needs it tries again until ctx ends, and holds nobody up for longer than moments.
func Migrate(ctx context.Context, url string) error {
	return migrateAt(ctx, url, ownMigrations(), func(error) {})
}

// ownMigrations are this program's.
func ownMigrations() fs.FS {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // only an invalid name is an error
	}
	return files
}

// migrateAt calls waiting after each attempt that could not have its locks.
func migrateAt(ctx context.Context, url string, files fs.FS, waiting func(error)) error {
	config, err := pgx.ParseConfig(url)
	if err == nil {
		config.ConnectTimeout = connectTimeout
		err = migrate(ctx, config, files, waiting)
	}
	if err != nil {
		return fmt.Errorf("DATABASE_URL: %w", lineError{err})
	}
	return nil
}

// lineError is an error of pgx in one line: of the attempts to connect (with TLS and without,
// each address) that it lists, the last.
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
	sometimes, waits := rate.Sometimes{First: 1, Interval: repeatEvery}, rate.Sometimes{
		First: 1, Interval: repeatEvery,
	}
	waiting := func(err error) {
		waits.Do(func() {
			log.Warn("the migration waits for what others have locked; trying again", "error", err)
		})
	}
	for {
		err := migrateAt(ctx, url, ownMigrations(), waiting)
		if err == nil || ctx.Err() != nil || !unreachable(err) {
			return err
		}
		sometimes.Do(func() { log.Warn("the database is not there yet; trying again", "error", err) })
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// unreachable tells whether a database may come up by itself: it isn't there, or it
// is starting, stopping or full (classes 57P and 53).
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
	for {
		// It stays locked between the attempts, lest the programs that wait take turns at holding
		// up the workers. Locking it again tells that the connection is still there.
		if _, err = guard.Exec(ctx, `select pg_advisory_lock($1)`, migrationLock); err == nil {
			_, err = provider.Up(ctx)
		}
		if !lockTimedOut(err) {
			return err
		}
		waiting(lineError{err})
		select {
		case <-time.After(tableLockPause + rand.N(tableLockPause)): //nolint:gosec // jitter, not a secret
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// withParams is the configuration with these settings of the server's.
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
