package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/outset-settings/outset/internal/localpg/pgtest"
	"github.com/outset-settings/outset/pkg/store"
)

// TestMigrate: many programs at once, again, on a schema that is newer, and on a
// database with the wrong encoding.
func TestMigrate(t *testing.T) {
	t.Parallel()
	url := pgtest.ForTest(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := store.Migrate(t.Context(), url); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s := reopen(t, url)
	if w := s.Write(t.Context(), []store.Write{replace(t, "ann", "1", `{"n":1}`)}); w[0].Err != nil {
		t.Fatal(w[0].Err)
	}
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
	if err := store.MigrateWhenReachable(t.Context(),
		strings.Replace(url, other.Database, "missing", 1),
		slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a missing database was migrated")
	}
}

// TestMigrateBehindReader: somebody reads a table for long (pg_dump). The migration waits for the
// end of that, and nobody waits for the migration.
func TestMigrateBehindReader(t *testing.T) {
	t.Parallel()
	const (
		reading = 3 * time.Second
		atMost  = time.Second // what is still not long on a slow machine
	)
	for _, table := range []string{"settings", "settings_log"} {
		t.Run(table, func(t *testing.T) {
			t.Parallel()
			url := pgtest.ForTest(t)
			reader, worker := connect(t, url), connect(t, url)
			earlierSchema(t, reader)
			exec(t, worker, fmt.Sprintf(`set lock_timeout = %d`, atMost.Milliseconds()))
			exec(t, reader, `begin; lock table `+table+` in access share mode`)

			var logged bytes.Buffer
			migrated := make(chan error, 1)
			started := time.Now()
			go func() {
				migrated <- store.MigrateWhenReachable(t.Context(), url,
					slog.New(slog.NewTextHandler(&logged, nil)))
			}()
			work := func(n int) {
				t.Helper()
				since := time.Now()
				if _, _, err := earlierWrite(t.Context(), worker, "ann", fmt.Sprint(n), `{}`); err != nil {
					t.Fatalf("after %v: %v", time.Since(started), err)
				}
				if version, _ := earlierRead(t, worker, "ann"); version != int64(n) {
					t.Fatalf("version %d, want %d", version, n)
				}
				if took := time.Since(since); took > 2*atMost {
					t.Errorf("a write and a read took %v", took)
				}
			}
			n := 0
			for time.Since(started) < reading {
				n++
				work(n)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			if err := store.Migrate(ctx, url); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("another one that migrates: %v", err)
			}
			select {
			case err := <-migrated:
				t.Fatalf("the migration ended behind a reader: %v", err)
			default:
			}
			exec(t, reader, `rollback`)
			for done := false; !done; {
				select {
				case err := <-migrated:
					if done = true; err != nil {
						t.Fatal(err)
					}
				default:
				}
				n++
				work(n)
			}
			if said := logged.String(); strings.Count(said, "\n") != 1 ||
				!strings.Contains(said, "waits") {
				t.Errorf("it said: %s", said)
			}
			check(t, reopen(t, url), "ann", int64(n), `{}`)
			checkLog(t, reader)
		})
	}
}

// TestMigrateIndex: the index of operation ids is made anew where that takes a moment, and left
// where it would take long. Either way an operation is applied once, also by the workers of before.
func TestMigrateIndex(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		bytes int // of the log, about
		index string
	}{
		"small": {1 << 10, "settings_log_operation"},
		"large": {20 << 20, "settings_log_user_id_operation_id_key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.ForTest(t)
			conn := connect(t, url)
			earlierSchema(t, conn)
			const size = 1 << 10
			if _, err := conn.Exec(t.Context(), `
				insert into settings_log (user_id, version, operation_id, fingerprint, document, applied_at)
				select 'filler', n, 'id' || n, '', ('{"n":"' || repeat('-', $2::int) || '"}')::json, now() from generate_series(1, $1::int) as n`,
				c.bytes/size, size); err != nil {
				t.Fatal(err)
			}
			if err := store.Migrate(t.Context(), url); err != nil {
				t.Fatal(err)
			}
			var index string
			if err := conn.QueryRow(t.Context(), `
				select string_agg(indexrelid::regclass::text, ', ') from pg_index
				where indrelid = 'settings_log'::regclass and indisunique and not indisprimary`).Scan(&index); err != nil || index != c.index {
				t.Errorf("%v: the index is %s, want %s", err, index, c.index)
			}
			s := reopen(t, url)
			write(t, s, replace(t, "ann", "1", `{"n":1}`), replace(t, "bob", "1", `{"n":1}`))
			for i, w := range write(t, s, replace(t, "ann", "1", `{"n":1}`), replace(t, "bob", "2", `{"n":2}`)) {
				if w.Replayed != (i == 0) || w.Version != int64(i+1) {
					t.Errorf("write %d: %+v", i, w)
				}
			}
			if version, replayed, err := earlierWrite(t.Context(), conn, "ann", "2", `{}`); err != nil || version != 2 || replayed {
				t.Errorf("a worker of before: version %d, %v, %v", version, replayed, err)
			}
		})
	}
}
