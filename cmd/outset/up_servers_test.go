//go:build unix

package main

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/outset-settings/outset/internal/localpg/pgtest"
	"github.com/outset-settings/outset/pkg/store"
)

const password = "hush-hush"

// startNATSServer returns a NATS server and its URL, with the user and the password that it asks
// for.
func startNATSServer(t *testing.T) (*server.Server, string) {
	t.Helper()
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true,
		Username: "outset", Password: password,
	})
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(time.Minute) {
		t.Fatal("the server did not start")
	}
	u, err := url.Parse(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("outset", password)
	return s, u.String()
}

// TestUpWithGivenServers: `up` uses the NATS server and the database that it is given, and starts
// none.
func TestUpWithGivenServers(t *testing.T) {
	t.Parallel()
	queue, natsURL := startNATSServer(t)
	databaseURL := pgtest.ForTest(t)
	data := filepath.Join(pgtest.TempDir(t), "data")
	p := start(t, env("NATS_URL="+natsURL, "DATABASE_URL="+databaseURL, "OUTSET_DATA="+data,
		"NATS_ADDR="), upArgs()...)
	at := p.ready(t)
	if !strings.Contains(at.nats, queue.Addr().String()) {
		t.Errorf("NATS is at %s, want %s", at.nats, queue.Addr())
	}
	session(t, at)
	if n := queue.NumClients(); n < 3 { // the API and two workers
		t.Errorf("%d clients on the given NATS server", n)
	}
	p.stop(t)

	if _, err := os.Stat(data); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a Postgres of its own has been made: %v", err)
	}
	s, err := store.Open(t.Context(), databaseURL, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	got, err := s.Read(t.Context(), []store.Read{{User: "42"}})
	if err != nil || got[0].Version != 2 || string(got[0].Bytes) != `{"theme":"light"}` {
		t.Errorf("in the given database: %+v, %v", got, err)
	}
	if printed := p.stdout.String() + p.stderr.String(); strings.Contains(printed, password) {
		t.Errorf("a password was printed: %s", printed)
	}
}

// TestUpWithoutDataDirectory: with a given database, `up` needs no data directory.
func TestUpWithoutDataDirectory(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, env("DATABASE_URL="+pgtest.ForTest(t), "OUTSET_DATA="+file), upArgs()...)
	session(t, p.ready(t))
	p.stop(t)
	if said := p.stderr.String(); !strings.Contains(said, "outset top will need NATS_NKEY") {
		t.Errorf("nothing in the log: %s", said)
	}
}

// TestCtrlCBeforeReady: Ctrl-C while `up` starts is no error, and leaves nothing behind.
func TestCtrlCBeforeReady(t *testing.T) {
	t.Parallel()
	t.Run("the database does not come", func(t *testing.T) {
		t.Parallel()
		p := start(t, env("DATABASE_URL=postgres://127.0.0.1:1/nowhere"), upArgs()...)
		eventually(t, "it waits", func() bool {
			return strings.Contains(p.stderr.String(), `"level":"WARN"`)
		})
		p.stop(t)
	})
	t.Run("the database is being made", func(t *testing.T) {
		t.Parallel()
		data := pgtest.TempDir(t)
		p := start(t, env(), upArgs("--data", data)...)
		eventually(t, "initdb runs", func() bool {
			at, err := filepath.Glob(filepath.Join(data, "data.init-*"))
			return err == nil && len(at) > 0
		})
		p.stop(t)
		if left, _ := filepath.Glob(filepath.Join(data, "data*")); len(left) > 0 {
			t.Errorf("left: %q", left)
		}
	})
	t.Run("NATS does not come", func(t *testing.T) {
		t.Parallel()
		p := start(t, env("NATS_URL=nats://127.0.0.1:1", "DATABASE_URL="+pgtest.ForTest(t)),
			upArgs()...)
		eventually(t, "the API listens", func() bool {
			return strings.Contains(p.stderr.String(), "api listening")
		})
		p.stop(t)
		if printed := p.stdout.String(); printed != "" {
			t.Errorf("not ready, and yet: %s", printed)
		}
	})
}
