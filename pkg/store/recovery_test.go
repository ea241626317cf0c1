package store_test

import (
	"context"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/outset-settings/outset/internal/localpg"
	"github.com/outset-settings/outset/internal/localpg/pgtest"
	"github.com/outset-settings/outset/internal/settings"
	"github.com/outset-settings/outset/internal/testdocs"
	"github.com/outset-settings/outset/pkg/store"
)

// documented returns the block of docs/operations.md in a language, with the test's own paths and
// names in place of those there.
func documented(t *testing.T, language string, own ...string) string {
	t.Helper()
	return strings.NewReplacer(own...).Replace(testdocs.Block(t, language))
}

// settingsOf reads lines like those of postgresql.conf.
func settingsOf(lines string) map[string]string {
	set := make(map[string]string)
	for line := range strings.Lines(lines) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " = ")
		set[name] = strings.Trim(value, "'")
	}
	return set
}

// shell runs commands of the documentation.
func shell(t *testing.T, commands string) {
	t.Helper()
	bin, err := localpg.Binaries()
	if err != nil {
		t.Fatal(err)
	}
	c := osexec.CommandContext(t.Context(), "sh", "-euc", commands)
	c.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s\n%v: %s", commands, err, out)
	}
}

// TestRecoveryToTime does what docs/operations.md says: a server that archives its log, and was
// killed, goes back to a point in time. All that was acknowledged before that is there and nothing
// else, what is written then has other tags than what was lost, and a follower becomes equal.
func TestRecoveryToTime(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it starts a server")
	}
	dir := pgtest.TempDir(t)
	data, backup := filepath.Join(dir, "data"), filepath.Join(dir, "backup")
	archive := filepath.Join(dir, "archive")
	archiving := settingsOf(documented(t, "postgresql", "/srv/archive", archive))
	archiving["max_wal_senders"] = "4" // Postgres's default is 10, localpg's none
	server := pgtest.StartServer(t, dir, archiving)
	address := server.URL()
	if err := os.Mkdir(archive, 0o700); err != nil {
		t.Fatal(err)
	}
	pgtest.GiveTo(t, archive, data)
	if err := store.Migrate(t.Context(), address); err != nil {
		t.Fatal(err)
	}
	s := reopenAs(t, address)
	write(t, s, replace(t, "ann", "1", `{"n":1}`))
	shell(t, documented(t, "sh-backup", "/srv/backup", backup, "dbname=outset", "'"+address+"'"))
	pgtest.GiveTo(t, backup, data)

	// Version 2 is in the archive only, version 3 in the log of the server only.
	write(t, s, replace(t, "ann", "2", `{"n":2}`))
	conn := connect(t, address)
	var segment, target string
	if err := conn.QueryRow(t.Context(), `select pg_walfile_name(pg_switch_wal())`).
		Scan(&segment); err != nil {
		t.Fatal(err)
	}
	becomes(t, conn, `select coalesce(last_archived_wal >= $1, false) from pg_stat_archiver`, segment)
	exec(t, conn, `checkpoint`)
	becomes(t, conn, `select not exists (select from pg_ls_waldir() where name = $1)`, segment)
	write(t, s, replace(t, "ann", "3", `{"n":3}`))
	if err := conn.QueryRow(t.Context(), `select clock_timestamp()::text`).Scan(&target); err != nil {
		t.Fatal(err)
	}
	lost := write(t, s, replace(t, "ann", "4", `{"n":4}`), replace(t, "late", "1", `{}`))
	m := newMirror(t, s)
	m.follow()
	kill(t, server)

	shell(t, documented(t, "sh-recovery", "/var/lib/postgresql/15/main", data, "/srv/backup", backup,
		"/srv/archive", archive, "2026-11-27 14:30:00+00", target))
	pgtest.GiveTo(t, data, backup)
	pgtest.StartServer(t, dir, archiving)
	becomes(t, connect(t, address), `select not pg_is_in_recovery()`)
	got := persist(t, s, []store.Write{
		replace(t, "ann", "other 4", `{"other":4}`), replace(t, "late", "other 1", `{"other":1}`),
	})
	for i, w := range got {
		before := settings.Tag{Version: lost[i].Version, Micros: lost[i].Modified.UnixMicro()}
		now := settings.Tag{Version: w.Version, Micros: w.Modified.UnixMicro()}
		if now.Version != before.Version || now == before {
			t.Errorf("the tag %+v was given before, and %+v after the recovery", before, now)
		}
	}
	for i, document := range []string{`{"n":1}`, `{"n":2}`, `{"n":3}`, `{"other":4}`} {
		version := int64(i + 1)
		found := read(t, s, store.Read{User: "ann", Version: version})[0]
		isDocument(t, "the history", found.Document, version, document)
	}
	m.follow()
	m.equals()
	if m.resets != 1 {
		t.Errorf("%d resets", m.resets)
	}
	checkLog(t, connect(t, address))
}

// kill ends a server without a shutdown, so that it archives nothing more.
func kill(t *testing.T, server *localpg.Server) {
	t.Helper()
	if err := syscall.Kill(server.PID(), syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	<-server.Done()
	if err := server.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
}
