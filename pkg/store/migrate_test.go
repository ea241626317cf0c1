package store_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/outset-settings/outset/internal/localpg/pgtest"
	"github.com/outset-settings/outset/pkg/store"
)

// TestMigrate: many programs may migrate at once. A schema that is newer is left alone, and a
// database with the wrong encoding is refused.
func TestMigrate(t *testing.T) {
	t.Parallel()
	url := pgtest.ForTest(t)
	pgtest.GiveRoles(t, url)
	migrator := pgtest.As(t, pgtest.Migrator, url)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := store.Migrate(t.Context(), migrator); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s := reopen(t, url)
	write(t, s, replace(t, "ann", "1", `{"n":1}`))
	conn := connect(t, url)
	if _, err := conn.Exec(t.Context(), `
		insert into goose_db_version (version_id, is_applied) values (99, true);
		alter table settings add column from_the_future int`); err != nil {
		t.Fatal(err)
	}
	if err := store.Migrate(t.Context(), url); err != nil {
		t.Errorf("an old program on a new schema: %v", err)
	}
	check(t, s, "ann", 1, `{"n":1}`)

	other, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	latin1 := "latin1_" + other.Database
	if _, err := conn.Exec(
		t.Context(), "create database "+latin1+" encoding 'LATIN1' template template0 locale 'C'",
	); err != nil {
		t.Fatal(err)
	}
	bad := strings.Replace(url, other.Database, latin1, 1)
	if err := store.Migrate(t.Context(), bad); err == nil ||
		!strings.Contains(err.Error(), "UTF8") {
		t.Errorf("a LATIN1 database: %v", err)
	}
	missing := strings.Replace(url, other.Database, "missing", 1)
	err = store.MigrateWhenReachable(t.Context(), missing, slog.New(slog.DiscardHandler))
	if err == nil {
		t.Error("a missing database was migrated")
	}
}

// TestMigrateOtherTables: tables that an earlier state of the migration made are refused, by a
// worker as well, and those are not that only its comments tell apart.
func TestMigrateOtherTables(t *testing.T) {
	t.Parallel()
	current, err := os.ReadFile("migrations/00001_settings.sql")
	if err != nil {
		t.Fatal(err)
	}
	earlier := func(text string) (url string) {
		t.Helper()
		url = pgtest.ForTest(t)
		pgtest.GiveRoles(t, url)
		files := fstest.MapFS{"00001_settings.sql": {Data: []byte(text)}}
		migrator := pgtest.As(t, pgtest.Migrator, url)
		if err := store.MigrateFiles(t.Context(), migrator, files, func(error) {}); err != nil {
			t.Fatal(err)
		}
		return url
	}
	same := earlier(strings.Replace(string(current), "-- ", "--   another comment: ", 1))
	other := earlier(strings.Replace(string(current), "-- +goose Up\n",
		"-- +goose Up\ncreate table earlier ();\n", 1))
	for _, role := range []string{pgtest.Migrator, pgtest.Worker} {
		log := slog.New(slog.DiscardHandler)
		if err := store.AwaitMigration(t.Context(), pgtest.As(t, role, same), log); err != nil {
			t.Errorf("other comments, as %s: %v", role, err)
		}
		err := store.AwaitMigration(t.Context(), pgtest.As(t, role, other), log)
		if err == nil || !strings.Contains(err.Error(), "make the database anew") ||
			strings.Contains(err.Error(), "\n") {
			t.Errorf("other tables, as %s: %v", role, err)
		}
	}
}

// TestMigrateBehindReader: another session reads a table for long, as pg_dump does. A migration
// that must lock the table waits until that ends, and no worker waits for the migration.
func TestMigrateBehindReader(t *testing.T) {
	t.Parallel()
	for _, table := range []string{"settings", "settings_log"} {
		t.Run(table, func(t *testing.T) {
			t.Parallel()
			s, url := open(t)
			first, err := os.ReadFile("migrations/00001_settings.sql")
			if err != nil {
				t.Fatal(err)
			}
			migrations := fstest.MapFS{
				"00001_settings.sql": {Data: first},
				"00002_next.sql": {
					Data: []byte("-- +goose Up\nalter table " + table + " add next int;"),
				},
			}
			reader := connect(t, url)
			exec(t, reader, `begin; lock table `+table+` in access share mode`)

			waiting, migrated := make(chan error), make(chan error, 1)
			go func() {
				migrated <- store.MigrateFiles(t.Context(), url, migrations, func(err error) {
					select {
					case waiting <- err:
					case <-t.Context().Done():
					}
				})
			}()
			// A write that waited for the reader would never end.
			writes := int64(0)
			work := func() {
				writes++
				persist(t, s, []store.Write{replace(t, "ann", fmt.Sprint(writes), `{}`)})
				check(t, s, "ann", writes, `{}`)
			}
			for attempts := 0; attempts < 2; work() {
				select {
				case err := <-waiting:
					attempts++
					if !strings.Contains(err.Error(), "lock timeout") {
						t.Errorf("it waits because of: %v", err)
					}
				case err := <-migrated:
					t.Fatalf("the migration ended behind a reader: %v", err)
				default:
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			err = store.MigrateFiles(ctx, url, migrations, func(error) {})
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("another program that migrates: %v", err)
			}
			exec(t, reader, `rollback`)
			for done := false; !done; work() {
				select {
				case err := <-migrated:
					if done = true; err != nil {
						t.Fatal(err)
					}
				case err := <-waiting:
					t.Log(err)
				default:
				}
			}
			checkLog(t, reader)
		})
	}
}
