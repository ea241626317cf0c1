package store_test

import (
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"testing"

	"github.com/outset-settings/outset/internal/localpg"
	"github.com/outset-settings/outset/internal/localpg/pgtest"
	"github.com/outset-settings/outset/pkg/store"
)

// TestFollowRolledBackStorage: the files of the whole server are those of an earlier moment. Its
// timeline is the same, but it has not begun the transactions that a follower has seen.
func TestFollowRolledBackStorage(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it starts a server")
	}
	dir := pgtest.TempDir(t)
	data := filepath.Join(dir, "data")
	server := pgtest.StartServer(t, dir, nil)
	address := server.URL()
	stop := func() {
		t.Helper()
		if err := server.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Migrate(t.Context(), address); err != nil {
		t.Fatal(err)
	}
	s := reopenAs(t, address)
	write(t, s, replace(t, "stays", "1", `{}`), replace(t, "changes", "1", `{}`))
	stop()
	copyOf := data + ".earlier"
	if out, err := osexec.CommandContext(t.Context(), "cp", "-a", data, copyOf).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}

	server = pgtest.StartServer(t, dir, nil)
	persist(t, s, []store.Write{replace(t, "changes", "2", `{"n":2}`)})
	for n := range 9 { // a transaction each: more than follow below
		write(t, s, replace(t, fmt.Sprint("goes ", n), "1", `{}`))
	}
	m := newMirror(t, s)
	m.follow()
	stop()
	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(copyOf, data); err != nil {
		t.Fatal(err)
	}

	pgtest.StartServer(t, dir, nil)
	persist(t, s, []store.Write{replace(t, "comes", "1", `{}`)})
	m.follow()
	m.equals()
	if m.resets != 1 {
		t.Errorf("%d resets", m.resets)
	}
}

// TestFollowRestoredRows: only the rows of a backup are restored, into the tables that are there.
func TestFollowRestoredRows(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	bin, err := localpg.Binaries()
	if err != nil {
		t.Fatal(err)
	}
	run := func(program string, arguments ...string) {
		t.Helper()
		c := osexec.CommandContext(t.Context(), filepath.Join(bin, program), arguments...)
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", program, err, out)
		}
	}
	write(t, s, replace(t, "stays", "1", `{}`), replace(t, "changes", "1", `{}`))
	dump := filepath.Join(t.TempDir(), "rows.dump")
	run("pg_dump", "-Fc", "--data-only", "-T", "goose_db_version*", "-f", dump, url)
	write(t, s, replace(t, "changes", "2", `{"n":2}`), replace(t, "goes", "1", `{}`))
	m := newMirror(t, s)
	m.follow()
	exec(t, connect(t, url), `
		truncate settings, settings_log, settings_erased, settings_fences, settings_changes, tokens,
		         settings_pruning`)
	run("pg_restore", "--data-only", "--single-transaction", "-d", url, dump)
	m.follow()
	m.equals()
	if m.resets != 1 {
		t.Errorf("%d resets", m.resets)
	}
	check(t, s, "changes", 1, `{}`)
}
