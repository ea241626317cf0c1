//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/outset-settings/outset/internal/localnats"
	"github.com/outset-settings/outset/internal/localpg/pgtest"
	"github.com/outset-settings/outset/internal/program"
)

func TestWorkers(t *testing.T) {
	t.Parallel()
	const reads, writes = 7, 5
	before := time.Now().Add(-time.Minute)
	data := "OUTSET_DATA=" + t.TempDir() // with the key that asks
	p := start(t, env(data, "DATABASE_URL="+pgtest.ForTest(t)), upArgs("--workers=3")...)
	at := p.ready(t)
	for i := range reads {
		user := fmt.Sprintf("%s/user/%d/settings", at.http, i)
		expect(t, call(t, user, ""), answer{200, `"0"`, "{}"})
	}
	for i := range writes {
		etag := fmt.Sprintf("%q", strconv.Itoa(i+1))
		expect(t, call(t, at.http+"/user/42/settings", `{}`).etagOnly(), answer{200, etag, ""})
	}
	call(t, at.http+"/user/42/settings", `[]`) // refused, which is not an error of the worker

	asked := []string{"workers", "--wait=5m", "--count=3"}
	t.Run("json", func(t *testing.T) {
		code, stdout, stderr := run(t, env(data, "NATS_URL="+at.nats), append(asked, "--json")...)
		var rows []workerRow
		if err := json.Unmarshal([]byte(stdout), &rows); code != 0 || err != nil ||
			len(rows) != 3 || stderr != "" {
			t.Fatalf("exit code %d, %v: %s%s", code, err, stdout, stderr)
		}
		host, err := os.Hostname()
		if err != nil {
			t.Fatal(err)
		}
		var requests, errs int
		ids := make(map[string]bool)
		for i, r := range rows {
			ids[r.ID] = true
			requests += r.Requests
			errs += r.Errors
			if r.Host != host || r.PID != strconv.Itoa(p.cmd.Process.Pid) ||
				r.Version != program.Version() || r.InFlight != 0 || r.Database != "reachable" ||
				r.Started.Before(before) || r.Started.After(time.Now().Add(time.Minute)) {
				t.Errorf("%+v", r)
			}
			if i > 0 && r.Started.Before(rows[i-1].Started) {
				t.Errorf("not oldest first: %s", stdout)
			}
		}
		if len(ids) != 3 || requests != reads+writes+1 || errs != 0 {
			t.Errorf("%d workers, %d requests, %d errors: %s", len(ids), requests, errs, stdout)
		}
	})
	t.Run("table", func(t *testing.T) {
		code, stdout, stderr := run(t, env(data), append(asked, "--nats-url", at.nats)...)
		lines := strings.Split(strings.TrimSpace(stdout), "\n")
		if code != 0 || stderr != "" || len(lines) != 1+3 {
			t.Fatalf("exit code %d: %s%s", code, stdout, stderr)
		}
		if got := strings.Fields(lines[0]); strings.Join(got,
			" ") != "ID HOST PID VERSION UPTIME REQUESTS ERRORS IN FLIGHT DATABASE" {
			t.Errorf("the heading is %q", got)
		}
		sum := 0
		for _, line := range lines[1:] {
			f := strings.Fields(line)
			if len(f) != 9 || f[6] != "0" || f[7] != "0" || f[8] != "reachable" {
				t.Fatalf("a line of %q", f)
			}
			n, err := strconv.Atoi(f[5])
			uptime, err2 := time.ParseDuration(f[4])
			if err != nil || err2 != nil || uptime < 0 || uptime > time.Hour {
				t.Errorf("a line of %q: %v, %v", f, err, err2)
			}
			sum += n
		}
		if sum != reads+writes+1 {
			t.Errorf("%d requests: %s", sum, stdout)
		}
	})
}

// TestWorkersWithoutDatabase: a worker that has left the queue group is listed, and says why.
func TestWorkersWithoutDatabase(t *testing.T) {
	t.Parallel()
	data, url := "OUTSET_DATA="+t.TempDir(), pgtest.ForTest(t)
	at := start(t, env(data, "DATABASE_URL="+url), upArgs("--workers=1")...).ready(t)
	for _, database := range []string{"unreachable", "reachable"} {
		pgtest.KeepOut(t, url, database == "unreachable")
		eventually(t, "its database is "+database, func() bool {
			code, stdout, _ := run(t, env(data, "NATS_URL="+at.nats), "workers", "--wait=5m",
				"--count=1")
			return code == 0 && strings.HasSuffix(stdout, "  "+database+"\n")
		})
	}
}

// TestKeysOfUp: only with a key can somebody connect to the NATS server of `up`, and only the user
// who started it can read the keys.
func TestKeysOfUp(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	p := start(t, env("OUTSET_DATA="+data, "DATABASE_URL="+pgtest.ForTest(t)), upArgs()...)
	at := p.ready(t)
	for _, role := range []localnats.Role{localnats.API, localnats.Worker, localnats.Operator} {
		for file, want := range map[string]fs.FileMode{
			localnats.KeyFile(data, role):               0o600,
			filepath.Dir(localnats.KeyFile(data, role)): fs.ModeDir | 0o700,
		} {
			if info, err := os.Stat(file); err != nil || info.Mode() != want {
				t.Errorf("%s: %v, %v; want %v", file, info.Mode(), err, want)
			}
		}
	}
	for name, e := range map[string][]string{
		"no key":        env("NATS_URL="+at.nats, "OUTSET_DATA="+t.TempDir()),
		"another's key": env("NATS_URL="+at.nats, "NATS_NKEY="+otherKey(t)),
	} {
		code, stdout, stderr := run(t, e, "workers")
		if line := complaint(t, stderr); code != 1 || stdout != "" ||
			!strings.Contains(line, "Authorization Violation") {
			t.Errorf("%s: exit code %d: %q, %q", name, code, stdout, line)
		}
	}
	// A key of another role is known, and of no use to an operator.
	code, stdout, _ := run(t, env("NATS_URL="+at.nats, "NATS_NKEY="+localnats.KeyFile(data,
		localnats.Worker)), "workers")
	if code != 1 || stdout != "" {
		t.Errorf("a worker's key: exit code %d: %q", code, stdout)
	}
	key, err := os.ReadFile(localnats.KeyFile(data, localnats.Operator))
	if err != nil {
		t.Fatal(err)
	}
	if said := p.stdout.String() + p.stderr.String(); strings.Contains(said,
		strings.TrimSpace(string(key))) {
		t.Errorf("a key was printed: %s", said)
	}
	p.stop(t)
	if left, err := os.ReadDir(filepath.Join(data, "nats")); err != nil || len(left) > 0 {
		t.Errorf("left after the end: %v, %v", left, err)
	}
}

// TestWorkersBesideUp: the keys of an `up`, even one that was killed, are no hindrance to asking
// the workers at another server, or at one that has taken its address.
func TestWorkersBesideUp(t *testing.T) {
	t.Parallel()
	data := filepath.Dir(filepath.Dir(otherKey(t)))
	open, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	go open.Start()
	t.Cleanup(open.WaitForShutdown)
	t.Cleanup(open.Shutdown)
	if !open.ReadyForConnections(time.Minute) {
		t.Fatal("the server did not start")
	}
	ask := func() {
		t.Helper()
		code, _, stderr := run(t, env("NATS_URL="+open.ClientURL(), "OUTSET_DATA="+data), "workers")
		if line := complaint(t, stderr); code != 1 || line != "outset: no worker answers" {
			t.Errorf("exit code %d: %q", code, line)
		}
	}
	ask()
	file := filepath.Join(data, "nats", "url")
	if err := os.WriteFile(file, []byte(open.ClientURL()), 0o600); err != nil {
		t.Fatal(err)
	}
	ask()
}

// otherKey returns the file of a key that no server knows.
func otherKey(t *testing.T) string {
	t.Helper()
	s, err := localnats.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Stop()
	data := t.TempDir()
	if err := s.SaveKeys(data); err != nil {
		t.Fatal(err)
	}
	return localnats.KeyFile(data, localnats.Operator)
}

func TestNoWorker(t *testing.T) {
	t.Parallel()
	_, url := startNATSServer(t)
	code, stdout, stderr := run(t, env("NATS_URL="+url), "workers")
	if line := complaint(t, stderr); code != 1 || line != "outset: no worker answers" ||
		stdout != "" {
		t.Errorf("exit code %d: %q, %q", code, stdout, line)
	}
	code, stdout, stderr = run(t, env("NATS_URL="+url), "workers", "--json")
	if line := complaint(t, stderr); code != 1 || line != "outset: no worker answers" ||
		strings.TrimSpace(stdout) != "[]" {
		t.Errorf("as JSON: exit code %d: %q, %q", code, stdout, line)
	}
}

func TestWorkersWithoutNATS(t *testing.T) {
	t.Parallel()
	_, url := startNATSServer(t)
	for name, c := range map[string]struct {
		url  string
		code int
		want []string
	}{
		"nobody there": {"nats://127.0.0.1:1", 1, []string{"NATS at ", "nats://127.0.0.1:1"}},
		"no address":   {"nats://a b", 2, []string{"NATS_URL: ", "a b"}},
		"wrong password": {
			strings.Replace(url, password, "wrong-"+password, 1), 1,
			[]string{"NATS at ", "Authorization Violation"},
		},
	} {
		code, stdout, stderr := run(t, env("NATS_URL="+c.url), "workers")
		line := complaint(t, stderr)
		if code != c.code || !strings.HasPrefix(line, "outset: "+c.want[0]) ||
			!strings.Contains(line, c.want[1]) || stdout != "" {
			t.Errorf("%s: exit code %d: %q, %q", name, code, stdout, line)
		}
		if strings.Contains(line, password) {
			t.Errorf("%s: a password was printed: %s", name, line)
		}
	}
}
