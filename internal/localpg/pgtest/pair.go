//go:build unix

package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/outset-settings/outset/internal/localpg"
	"github.com/outset-settings/outset/internal/testwait"
)

// Replicated are the settings of a server that may have standbys.
var Replicated = map[string]string{"wal_level": "replica", "max_wal_senders": "4"}

// Pair is a primary with a synchronous standby. Each keeps its address, whatever becomes of it.
type Pair struct {
	t       testing.TB
	hosts   [2]*host
	primary int
}

type host struct {
	dir     string
	address string
	server  *localpg.Server
}

// StartPair starts two servers, which stop at the end of the test.
func StartPair(t testing.TB) *Pair {
	t.Helper()
	p := &Pair{t: t, hosts: [2]*host{{dir: TempDir(t)}, {dir: TempDir(t)}}}
	first, second := p.hosts[0], p.hosts[1]
	p.start(first, nil)
	bin, err := localpg.Binaries()
	if err != nil {
		t.Fatal(err)
	}
	//nolint:gosec // the address is that of our own server
	backup := exec.CommandContext(t.Context(), filepath.Join(bin, "pg_basebackup"), "-d", first.address,
		"-D", second.data(), "-R", "-X", "stream", "-c", "fast", "--no-sync")
	if out, err := backup.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	sockets, _ := filepath.Glob(filepath.Join(second.data(), ".s.PGSQL.*")) // the primary's
	for _, s := range sockets {
		if err := os.Remove(s); err != nil {
			t.Fatal(err)
		}
	}
	GiveTo(t, second.data(), first.data())
	p.start(second, nil)
	p.awaitStandby()
	return p
}

func (h *host) data() string { return filepath.Join(h.dir, "data") }

// start starts a server. A standby needs to be told whom to follow.
func (p *Pair) start(h *host, more map[string]string) {
	p.t.Helper()
	settings := maps.Clone(Replicated)
	maps.Copy(settings, more)
	h.server = StartServer(p.t, h.dir, settings)
	h.address = h.server.URL()
}

// StartServer starts a server of the test's own, which stops at its end at the latest.
func StartServer(t testing.TB, dir string, settings map[string]string) *localpg.Server {
	t.Helper()
	s, err := localpg.Start(t.Context(), localpg.Options{
		Dir: dir, Throwaway: true, Settings: settings,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopServer(t, s) })
	return s
}

func stopServer(t testing.TB, s *localpg.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// awaitStandby makes the primary's commits wait for the standby, which follows it by now.
func (p *Pair) awaitStandby() {
	p.t.Helper()
	primary := p.hosts[p.primary]
	p.execute(primary, `alter system set synchronous_standby_names = '*'`)
	p.execute(primary, `select pg_reload_conf()`)
	conn := Connect(p.t, primary.address)
	testwait.Until(p.t, timeout, "the standby is synchronous", func() bool {
		var synchronous bool
		err := conn.QueryRow(p.t.Context(),
			`select exists (select from pg_stat_replication where sync_state = 'sync')`).
			Scan(&synchronous)
		if err != nil {
			p.t.Fatal(err)
		}
		return synchronous
	})
}

func (p *Pair) execute(h *host, statement string) {
	p.t.Helper()
	if _, err := Connect(p.t, h.address).Exec(p.t.Context(), statement); err != nil {
		p.t.Fatalf("%s: %v", statement, err)
	}
}

// Primary is the address of the primary.
func (p *Pair) Primary() string { return p.hosts[p.primary].address }

// Standby is the address of the standby.
func (p *Pair) Standby() string { return p.hosts[1-p.primary].address }

// Either is the address of whichever of the two is the primary.
func (p *Pair) Either() string {
	p.t.Helper()
	return Either(p.t, p.hosts[0].address, p.hosts[1].address)
}

// Either is the address of whichever of two servers is the primary.
func Either(t testing.TB, one, other string) string {
	t.Helper()
	var configs [2]*pgx.ConnConfig
	for i, address := range []string{one, other} {
		var err error
		if configs[i], err = pgx.ParseConfig(address); err != nil {
			t.Fatal(err)
		}
	}
	u := url.URL{Scheme: "postgres", User: url.User(configs[0].User), Path: configs[0].Database}
	u.RawQuery = url.Values{
		"host":                 {configs[0].Host + "," + configs[1].Host},
		"port":                 {fmt.Sprint(configs[0].Port, ",", configs[1].Port)},
		"sslmode":              {"disable"},
		"target_session_attrs": {"read-write"},
	}.Encode()
	return u.String()
}

// Switch is a planned switchover, as docs/operations.md has it: the primary ends once the standby
// has all of its log, the standby is promoted, and the old primary follows it as its standby. While
// there is no primary it calls meanwhile.
func (p *Pair) Switch(meanwhile func()) {
	p.t.Helper()
	old, now := p.hosts[p.primary], p.hosts[1-p.primary]
	p.execute(now, `alter system set synchronous_standby_names = ''`)
	p.execute(now, `select pg_reload_conf()`)
	stopServer(p.t, old.server)
	meanwhile()
	p.execute(now, `select pg_promote()`)
	p.primary = 1 - p.primary
	config, err := pgx.ParseConfig(now.address)
	if err != nil {
		p.t.Fatal(err)
	}
	signal := filepath.Join(old.data(), "standby.signal")
	if err := os.WriteFile(signal, nil, 0o600); err != nil {
		p.t.Fatal(err)
	}
	GiveTo(p.t, signal, old.data())
	p.start(old, map[string]string{
		"primary_conninfo": fmt.Sprintf("host=%s port=%d user=%s", config.Host, config.Port, config.User),
	})
	p.awaitStandby()
}

// GiveTo makes the owner of one directory or file that of another and all in it.
func GiveTo(t testing.TB, dir, from string) {
	t.Helper()
	info, err := os.Stat(from)
	if err != nil {
		t.Fatal(err)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		t.Fatal("files have no owners here")
	}
	if err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, int(owner.Uid), int(owner.Gid))) //nolint:gosec // nobody else writes there
	}); err != nil {
		t.Fatal(err)
	}
}
