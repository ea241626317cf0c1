//go:build unix

package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/outset-settings/outset/internal/localpg/pgtest"
)

// anyPorts lets several systems run at once.
var anyPorts = []string{"--http=127.0.0.1:0", "--admin=127.0.0.1:0", "--nats=127.0.0.1:0"}

// upArgs is for a system that asks for no tokens.
func upArgs(more ...string) []string {
	return append(append([]string{"up", "--auth=none"}, anyPorts...), more...)
}

// answer is what the tests look at in an HTTP answer.
type answer struct {
	status int
	etag   string
	body   string
}

// call sends a request and expects an answer. A body makes it a POST.
func call(t *testing.T, url, body string) answer {
	t.Helper()
	method, content := http.MethodGet, io.Reader(nil)
	if body != "" {
		method, content = http.MethodPost, strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, url, content)
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	got, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = got.Body.Close() }()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	number, _, made := strings.Cut(got.Header.Get("ETag"), "-")
	if made {
		number += `"`
	}
	return answer{got.StatusCode, number, string(text)}
}

func expect(t *testing.T, got, want answer) {
	t.Helper()
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestUp starts a system several times on one data directory, and ends it in every way.
func TestUp(t *testing.T) {
	t.Parallel()
	data := filepath.Join(pgtest.TempDir(t), "data")
	p := start(t, env(), upArgs("--data", data)...)
	at := p.ready(t)
	if want := "\n  data      " + data + " (a new database)\n"; !strings.Contains(p.stdout.String(), want) {
		t.Errorf("it doesn't print %q: %s", want, &p.stdout)
	}
	t.Run("session", func(t *testing.T) { session(t, at) })
	t.Run("second system on the same data", func(t *testing.T) {
		code, _, stderr := run(t, env(), upArgs("--data", data)...)
		line := complaint(t, stderr)
		if code != 1 || !strings.Contains(line, data+" is in use") ||
			!strings.Contains(line, strconv.Itoa(p.cmd.Process.Pid)) {
			t.Errorf("exit code %d, %q; want the directory and the process that uses it", code,
				line)
		}
		if got := call(t, at.health, ""); got.status != http.StatusOK {
			t.Errorf("the first one is %+v after that", got)
		}
	})
	t.Run("Ctrl-C", func(t *testing.T) {
		postgres := postgresPID(t, data)
		p.stop(t)
		if err := syscall.Kill(postgres, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("Postgres is left: process %d, %v", postgres, err)
		}
		if _, err := os.Stat(filepath.Join(data, "data", "postmaster.pid")); !errors.Is(err,
			os.ErrNotExist) {
			t.Errorf("Postgres did not shut down cleanly: %v", err)
		}
	})
	user := "/user/42/settings"
	t.Run("again", func(t *testing.T) {
		p = start(t, env(), upArgs("--data", data, "--workers=1")...)
		defer p.stop(t)
		at = p.ready(t)
		expect(t, call(t, at.http+user, ""), answer{200, `"2"`, `{"theme":"light"}`})
		if !strings.Contains(p.stdout.String(), "with 1 worker") {
			t.Errorf("asked for one worker: %s", &p.stdout)
		}
		if want := "\n  data      " + data + "\n"; !strings.Contains(p.stdout.String(), want) {
			t.Errorf("it doesn't print %q: %s", want, &p.stdout)
		}
	})
	t.Run("killed", func(t *testing.T) {
		p = start(t, env(), upArgs("--data", data)...)
		at = p.ready(t)
		for i := range 20 {
			document, etag := fmt.Sprintf(`{"n":%d}`, i), fmt.Sprintf("%q", strconv.Itoa(3+i))
			expect(t, call(t, at.http+user, document).etagOnly(), answer{200, etag, ""})
		}
		p.signal(syscall.SIGKILL) // right after an answer
		p.wait(t)

		p = start(t, env(), upArgs("--data", data)...)
		defer p.stop(t)
		at = p.ready(t)
		expect(t, call(t, at.http+user, ""), answer{200, `"22"`, `{"n":19}`})
		expect(t, call(t, at.http+user, `{"n":20}`).etagOnly(), answer{200, `"23"`, ""})
	})
	t.Run("Postgres dies", func(t *testing.T) {
		p = start(t, env(), upArgs("--data", data)...)
		p.ready(t)
		if err := syscall.Kill(postgresPID(t, data), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if code := p.wait(t); code != 1 || !strings.Contains(p.stderr.String(), "ended by itself") {
			t.Errorf("exit code %d: %s", code, &p.stderr)
		}
	})
}

func (a answer) etagOnly() answer { return answer{status: a.status, etag: a.etag} }

// session makes the requests of the README and a few more.
func session(t *testing.T, at addresses) {
	const document = `{"theme":"dark","language":"fr"}`
	user := at.http + "/user/42/settings"
	expect(t, call(t, user, ""), answer{200, `"0"`, `{}`})
	expect(t, call(t, user, document), answer{
		200, `"1"`, `{"status":"settings updated","userId":"42","settings":` + document + `}`,
	})
	expect(t, call(t, user, ""), answer{200, `"1"`, document})
	expect(t, call(t, user, `{"theme":"light"}`).etagOnly(), answer{200, `"2"`, ""})
	expect(t, call(t, user, ""), answer{200, `"2"`, `{"theme":"light"}`})
	expect(t, call(t, at.http+"/user/%E6%97%A5%E6%9C%AC/settings", `{"a": 1.10}`),
		answer{200, `"1"`, `{"status":"settings updated","userId":"日本","settings":{"a": 1.10}}`})
	for body, status := range map[string]int{
		"{": 400, "[]": 422, `{"a":"` + strings.Repeat("x", 64<<10) + `"}`: 413,
	} {
		if got := call(t, user, body); got.status != status {
			t.Errorf("%.20q: %+v, want %d", body, got, status)
		}
	}
	expect(t, call(t, user, "").etagOnly(), answer{200, `"2"`, ""}) // nothing stored
	expect(t, call(t, at.health, ""), answer{200, "", "ok\n"})
	expect(t, call(t, at.http+"/readyz", ""), answer{200, "", "ok\n"})
	metrics := call(t, strings.TrimSuffix(at.health, "/readyz")+"/metrics", "")
	for _, series := range []string{
		`outset_api_nats_connected{connection="requests"} 1`,
		`outset_worker_database_reachable{worker="1"} 1`,
		`outset_worker_database_reachable{worker="2"} 1`,
	} {
		if !strings.Contains(metrics.body, "\n"+series+"\n") {
			t.Errorf("the metrics don't have %s", series)
		}
	}
	expect(t, call(t, at.http+"/healthz", ""), answer{200, "", "ok\n"})
}

func postgresPID(t *testing.T, data string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(data, "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(line)
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// TestTakenAddress: an address in use is reported before anything is written.
func TestTakenAddress(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	for flag, variable := range map[string]string{
		"--http": "HTTP_ADDR", "--admin": "ADMIN_ADDR",
		"--nats": "NATS_ADDR",
	} {
		t.Run(flag, func(t *testing.T) {
			t.Parallel()
			data := filepath.Join(pgtest.TempDir(t), "data")
			code, stdout, stderr := run(t, env(),
				upArgs("--data", data, flag, l.Addr().String())...)
			line := complaint(t, stderr)
			if code != 1 || !strings.Contains(line, variable) ||
				!strings.Contains(line, "address already in use") {
				t.Errorf("exit code %d, %q; want %s to be named", code, line, variable)
			}
			if stdout != "" {
				t.Errorf("printed: %s", stdout)
			}
			if _, err := os.Stat(data); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the data directory was touched: %v", err)
			}
		})
	}
}
