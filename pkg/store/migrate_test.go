package store_test

import (
	"log/slog"
	"strings"
	"sync"
	"testing"

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
	if _, err := conn.Exec(t.Context(), "create database "+latin1+" encoding 'LATIN1' template template0 locale 'C'"); err != nil {
		t.Fatal(err)
	}
	bad := strings.Replace(url, other.Database, latin1, 1)
	if err := store.Migrate(t.Context(), bad); err == nil || !strings.Contains(err.Error(), "UTF8") {
		t.Errorf("a LATIN1 database: %v", err)
	}
	if err := store.MigrateWhenReachable(t.Context(), strings.Replace(url, other.Database, "missing", 1), slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a missing database was migrated")
	}
}
