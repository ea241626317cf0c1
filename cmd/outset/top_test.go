//go:build unix

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/outset-settings/outset/internal/localnats"
	"github.com/outset-settings/outset/internal/localpg/pgtest"
	"github.com/outset-settings/outset/internal/pool"
	"github.com/outset-settings/outset/internal/program"
	"github.com/outset-settings/outset/internal/top"
)

// sampleOf returns what `outset top --once --json` prints. Its interval is short, so that a worker
// that is slow to answer may be missing; whoever asks does so again.
func sampleOf(t *testing.T, env []string) (s top.Sample) {
	t.Helper()
	code, stdout, stderr := run(t, env, "top", "--once", "--json", "--interval=200ms")
	if code != 0 {
		t.Logf("exit code %d: %s", code, stderr)
		return s
	}
	if err := json.Unmarshal([]byte(stdout), &s); err != nil || stderr != "" {
		t.Fatalf("%v: %s%s", err, stdout, stderr)
	}
	return s
}

// TestTop: what three workers tell of themselves, as JSON and as text.
func TestTop(t *testing.T) {
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
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	asker := env(data, "NATS_URL="+at.nats)

	var s top.Sample
	eventually(t, "all workers are there", func() bool {
		s = sampleOf(t, asker)
		return s.Pool.Serving == 3 && len(s.Workers) == 3
	})
	ids := make(map[string]bool)
	for i, w := range s.Workers {
		ids[w.ID] = true
		if w.Host != host || w.PID != strconv.Itoa(p.cmd.Process.Pid) ||
			w.Version != program.Version() || w.State != pool.Serving || w.Uptime <= 0 ||
			w.Started.Before(before) || w.Started.After(time.Now().Add(time.Minute)) ||
			w.Read.Rate != 0 || w.Read.Lanes == 0 || w.Write.Utilisation != 0 ||
			w.Write.InFlight != 0 || w.Read.P99.Known() || w.Write.Batch.Known() {
			t.Errorf("%+v", w)
		}
		if i > 0 && w.Started.Before(s.Workers[i-1].Started) {
			t.Errorf("not oldest first: %+v", s)
		}
	}
	if r, w := s.Pool.Read, s.Pool.Write; len(ids) != 3 || r.Operations != reads ||
		w.Operations != writes+1 || r.Errors+w.Errors != 0 {
		t.Errorf("%d workers, %+v", len(ids), s.Pool)
	}

	eventually(t, "the text has all workers", func() bool {
		code, stdout, stderr := run(t, env(data), "top", "--once", "--interval=200ms", "--nats-url",
			at.nats)
		if code != 0 || stderr != "" {
			t.Logf("exit code %d: %s", code, stderr)
		}
		for id := range ids {
			if !strings.Contains(stdout, "\n"+id[:8]+" "+host[:min(len(host), 20)]) {
				return false
			}
		}
		return strings.HasPrefix(stdout, "workers: 3 serving; version "+program.Version()+"\n")
	})
}

// TestTopWithoutDatabase: a worker that has left the queue group is listed, and says why.
func TestTopWithoutDatabase(t *testing.T) {
	t.Parallel()
	data, url := "OUTSET_DATA="+t.TempDir(), pgtest.ForTest(t)
	at := start(t, env(data, "DATABASE_URL="+url), upArgs("--workers=1")...).ready(t)
	for _, state := range []pool.State{pool.NoDatabase, pool.Serving} {
		pgtest.KeepOut(t, url, state == pool.NoDatabase)
		eventually(t, "it is "+string(state), func() bool {
			s := sampleOf(t, env(data, "NATS_URL="+at.nats))
			return len(s.Workers) == 1 && s.Workers[0].State == state
		})
	}
}

// TestTopScaled: workers come and go while others are watched, and what each does is told apart.
func TestTopScaled(t *testing.T) {
	t.Parallel()
	_, natsURL := startNATSServer(t)
	servers := []string{"NATS_URL=" + natsURL, "DATABASE_URL=" + pgtest.ForTest(t), "NATS_ADDR="}
	asker := env("NATS_URL=" + natsURL)
	first := start(t, env(servers...), upArgs("--workers=1")...)
	at := first.ready(t)
	serving := func(want int) (s top.Sample) {
		t.Helper()
		eventually(t, fmt.Sprintf("%d serve", want), func() bool {
			s = sampleOf(t, asker)
			return s.Pool.Serving == want && len(s.Workers) == want
		})
		return s
	}
	oldest := serving(1).Workers[0].ID
	second := start(t, env(servers...), upArgs("--workers=2")...)
	second.ready(t)
	if s := serving(3); s.Workers[0].ID != oldest {
		t.Errorf("the oldest is not the first: %+v", s)
	}
	second.stop(t)
	if s := serving(1); s.Workers[0].ID != oldest {
		t.Errorf("another one is left: %+v", s)
	}
	ctx, cancel := context.WithCancel(t.Context())
	load(ctx, t, at.http)
	defer cancel()
	eventually(t, "its rates are there", func() bool {
		s := sampleOf(t, asker)
		if len(s.Workers) != 1 {
			return false
		}
		r, w := s.Workers[0].Read, s.Workers[0].Write
		return r.Rate > 0 && r.P50 > 0 && r.P99 >= r.P50 && r.Batch >= 1 && r.Utilisation > 0 &&
			r.Utilisation <= 1.01 && w.Rate > 0 && w.P50 > 0 && w.Batch >= 1
	})
}

// load reads and writes settings until ctx ends.
func load(ctx context.Context, t *testing.T, url string) {
	t.Helper()
	var running sync.WaitGroup
	t.Cleanup(running.Wait)
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		running.Go(func() {
			for ctx.Err() == nil {
				r, err := http.NewRequestWithContext(ctx, method, url+"/user/42/settings",
					strings.NewReader(`{}`))
				if err != nil {
					t.Error(err)
					return
				}
				r.Header.Set("Content-Type", "application/json")
				if answer, err := http.DefaultClient.Do(r); err == nil {
					_ = answer.Body.Close()
				}
			}
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
	elsewhere, other := t.TempDir(), otherKey(t)
	for name, c := range map[string]struct {
		env  []string
		want string
	}{
		"no key": {
			env("NATS_URL="+at.nats, "OUTSET_DATA="+elsewhere),
			"Authorization Violation: in " + elsewhere + " is no key of that server; set NATS_NKEY",
		},
		"no directory": {
			env("NATS_URL="+at.nats, "OUTSET_DATA="+elsewhere+"/misspelt"),
			"Authorization Violation: there is no directory " + elsewhere + "/misspelt; set NATS_NKEY",
		},
		"another's key": {
			env("NATS_URL="+at.nats, "NATS_NKEY="+other),
			"Authorization Violation: the key in " + other + " (NATS_NKEY)",
		},
	} {
		code, stdout, stderr := run(t, c.env, "top", "--once")
		if line := complaint(t, stderr); code != 1 || stdout != "" ||
			!strings.Contains(line, c.want) {
			t.Errorf("%s: exit code %d: %q, %q", name, code, stdout, line)
		}
	}
	// A key of another role is known, and of no use to an operator.
	code, stdout, _ := run(t, env("NATS_URL="+at.nats, "NATS_NKEY="+localnats.KeyFile(data,
		localnats.Worker)), "top", "--once", "--interval=100ms")
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

// TestTopBesideUp: the keys of an `up`, even one that was killed, are no hindrance to asking
// the workers at another server, or at one that has taken its address.
func TestTopBesideUp(t *testing.T) {
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
		code, _, stderr := run(t, env("NATS_URL="+open.ClientURL(), "OUTSET_DATA="+data), "top",
			"--once")
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

func TestTopWithoutWorkers(t *testing.T) {
	t.Parallel()
	_, url := startNATSServer(t)
	code, stdout, stderr := run(t, env("NATS_URL="+url), "top", "--once")
	if line := complaint(t, stderr); code != 1 || line != "outset: no worker answers" ||
		stdout != "" {
		t.Errorf("exit code %d: %q, %q", code, stdout, line)
	}
	code, stdout, stderr = run(t, env("NATS_URL="+url), "top", "--once", "--json")
	if line := complaint(t, stderr); code != 1 || line != "outset: no worker answers" ||
		!strings.Contains(stdout, `"workers": []`) ||
		!strings.Contains(stdout, `"operations_per_second": null`) {
		t.Errorf("as JSON: exit code %d: %q, %q", code, stdout, line)
	}
}

func TestTopWithoutNATS(t *testing.T) {
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
		code, stdout, stderr := run(t, env("NATS_URL="+c.url), "top", "--once")
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
