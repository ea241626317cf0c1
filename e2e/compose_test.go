//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/outset-settings/outset/internal/secrets"
)

// settled is how many requests a change must be followed by before the next one.
const settled = 1000

// TestCompose runs the compose.yaml at the root with real Docker Compose, does to it under load
// what operators and accidents do, and compares the answers with the data.
func TestCompose(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	c := newCompose(t)
	// One after the other: the classic builder does not share stages that are being built.
	c.must(ctx, "build", "-q", "api")
	c.must(ctx, "build", "-q", "worker")
	t.Setenv("API_PORT", freePort(t)) // not before: others may take it meanwhile
	c.scale(ctx, 1)
	base := "http://" + strings.TrimSpace(c.must(ctx, "port", "api", "8080"))
	c.do(ready(ctx, base))

	token, err := os.ReadFile(filepath.Join(os.Getenv("SECRETS"), "admin-token"))
	c.do(err)
	if got, err := http.Get(base + "/user/42/settings"); err != nil ||
		got.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token: %+v, %v", got, err)
	} else {
		_ = got.Body.Close()
	}
	l := startLoadWith(t, base, "1 worker", string(token))
	c.do(l.settle(ctx, settled))

	l.phase("scale to 4")
	c.scale(ctx, 4)
	c.do(l.settle(ctx, settled))

	l.phase("scale to 2")
	c.scale(ctx, 2)
	c.do(l.settle(ctx, settled))

	l.phase("restart workers")
	c.must(ctx, "restart", "worker")
	c.do(l.settle(ctx, settled))

	l.phase("SIGTERM one")
	if code := c.kill(ctx, "TERM"); code != "0" {
		t.Errorf("a worker that got SIGTERM exits with %s", code)
	}
	c.do(l.settle(ctx, settled))

	c.scale(ctx, 4)
	l.phase("SIGKILL 3 of 4")
	for range 3 {
		c.kill(ctx, "KILL")
		c.do(l.settle(ctx, settled))
	}
	c.scale(ctx, 2)

	c.faults(ctx, l)

	l.lenientPhase("restart API")
	c.must(ctx, "restart", "api")
	c.do(ready(ctx, base))
	c.do(l.settle(ctx, settled))

	l.phase("afterwards")
	c.do(l.settle(ctx, settled))
	l.finish()
	if err := l.report(t); err != nil {
		t.Error(err)
	}
	c.outage(ctx)
	if err := verify(l.ledgers, c.query(ctx, selectLog), c.query(ctx, selectSettings)); err != nil {
		t.Error(err)
	}
	c.operate(ctx)
}

// operate does what docs/operations.md says to operators.
func (c *compose) operate(ctx context.Context) {
	t := c.t
	folder := os.Getenv("SECRETS")

	// The number of workers stays with WORKERS, and several APIs share a range of ports.
	t.Setenv("WORKERS", "3")
	t.Setenv("API_PORT", freePorts(t))
	c.must(ctx, "up", "--detach", "--wait", "--wait-timeout", "120", "--scale", "api=2")
	if n := len(c.workers(ctx)); n != 3 {
		t.Errorf("with WORKERS=3 there are %d", n)
	}
	for _, index := range []string{"1", "2"} {
		address := strings.TrimSpace(c.must(ctx, "port", "--index", index, "api", "8080"))
		c.do(ready(ctx, "http://"+address))
	}

	c.observe(ctx)

	// An operator reaches NATS from the host.
	secret := func(name string) string { return filepath.Join(folder, name) }
	command := filepath.Join(t.TempDir(), "outset")
	if out, err := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", command, "../cmd/outset").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	list := exec.CommandContext(ctx, command, "top", "--once", "--json")
	list.Env = append(os.Environ(), "NATS_URL=tls://"+strings.TrimSpace(c.must(ctx, "port", "nats", "4222")),
		"NATS_CA="+secret("ca.pem"), "NATS_CERT="+secret("nats-operator.pem"),
		"NATS_KEY="+secret("nats-operator-key.pem"), "NATS_NKEY="+secret("nats-operator.nk"))
	if out, err := list.CombinedOutput(); err != nil || strings.Count(string(out), `"pid"`) != 3 {
		t.Errorf("outset top: %v\n%s", err, out)
	}

	// A new password of the workers.
	c.do(os.Remove(secret("postgres-worker-password")))
	_, err := secrets.Make(folder)
	c.do(err)
	c.must(ctx, "up", "--detach", "--force-recreate", "--wait", "postgres")
	c.must(ctx, "exec", "-T", "postgres", "sh", "/docker-entrypoint-initdb.d/2-passwords.sh")
	c.must(ctx, "up", "--detach", "--force-recreate", "--wait", "--wait-timeout", "120")
	base := "http://" + strings.TrimSpace(c.must(ctx, "port", "api", "8080"))
	token, err := os.ReadFile(secret("admin-token"))
	c.do(err)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/users", nil)
	c.do(err)
	request.Header.Set("Authorization", "Bearer "+string(token))
	response, err := http.DefaultClient.Do(request)
	c.do(err)
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("with the new password: %s", response.Status)
	}
}

// allFound is Prometheus's answer when it reaches two APIs and three workers.
var allFound = regexp.MustCompile(`"outset-api"},"value":\[[^]]*"2"\].*"outset-worker"},"value":\[[^]]*"3"\]`)

// observe starts the profile's Prometheus, with three workers and two APIs running.
func (c *compose) observe(ctx context.Context) {
	c.t.Setenv("ADMIN_BIND", "0.0.0.0")
	c.must(ctx, "--profile", "observe", "up", "--detach", "--wait", "--wait-timeout", "120",
		"--scale", "api=2", "api", "worker", "prometheus")
	base := "http://" + strings.TrimSpace(c.must(ctx, "--profile", "observe", "port", "prometheus", "9090"))
	answers := url.QueryEscape(`sort(count by (job) (up == 1))`)
	c.do(waitFor(ctx, "Prometheus to find all", func(ctx context.Context) error {
		got, err := get(ctx, base+"/api/v1/query?query="+answers)
		if err == nil && !allFound.MatchString(got) {
			err = errors.New(got)
		}
		return err
	}))
	// Evaluated with what the programs really export.
	c.do(waitFor(ctx, "Prometheus to evaluate the rules", func(ctx context.Context) error {
		got, err := get(ctx, base+"/api/v1/rules")
		if err == nil && (strings.Contains(got, `"health":"unknown"`) || !strings.Contains(got, "OutsetNoAPI")) {
			err = errors.New(got)
		}
		if strings.Contains(got, `"health":"err"`) {
			c.t.Fatal(got)
		}
		return err
	}))
}

// get returns the body of a successful answer.
func get(ctx context.Context, address string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, body)
	}
	return string(body), err
}

// compose is one compose project. Its methods end the test when they fail.
type compose struct {
	t       *testing.T
	command []string
}

// newCompose returns a project of its own, on a free port, which is removed after the test.
func newCompose(t *testing.T) *compose {
	t.Helper()
	command := os.Getenv("E2E_COMPOSE")
	if command == "" {
		command = "docker compose"
	}
	if os.Getenv("COMPOSE_PROJECT_NAME") == "" {
		t.Setenv("COMPOSE_PROJECT_NAME", fmt.Sprintf("outset-e2e-%d", os.Getpid()))
	}
	// On a busy machine a container takes longer to restart than a client should wait.
	t.Setenv("REQUEST_TIMEOUT", "30s")
	t.Setenv("WORKER_GRACE", "30s")
	// Secrets of its own: those in deploy/secrets may be in use.
	if os.Getenv("SECRETS") == "" {
		t.Setenv("SECRETS", filepath.Join(t.TempDir(), "secrets"))
	}
	if _, err := secrets.Make(os.Getenv("SECRETS")); err != nil {
		t.Fatal(err)
	}
	c := &compose{t: t, command: append(strings.Fields(command), "--project-directory", "..",
		"--file", "../compose.yaml")}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
		defer cancel()
		if t.Failed() {
			logs, _, _ := c.run(ctx, "logs", "--no-color", "--timestamps", "--tail", "200")
			t.Logf("what the containers said last:\n%s", logs)
		}
		if _, complaint, err := c.run(ctx, "--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout",
			"10"); err != nil {
			t.Errorf("compose down: %v\n%s", err, complaint)
		}
	})
	return c
}

// freePort finds one that stays the same when the API's container restarts.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// freePorts finds a range of two.
func freePorts(t *testing.T) string {
	t.Helper()
	for range 100 {
		first, err := strconv.Atoi(freePort(t))
		if err != nil {
			t.Fatal(err)
		}
		if l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", first+1)); err == nil {
			_ = l.Close()
			return fmt.Sprintf("%d-%d", first, first+1)
		}
	}
	t.Fatal("there are no two free ports beside each other")
	return ""
}

func (c *compose) do(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// run runs compose and returns what it wrote to standard output and to standard error.
func (c *compose) run(ctx context.Context, args ...string) (output, complaint string, err error) {
	return execute(ctx, slices.Concat(c.command, args)...)
}

func execute(ctx context.Context, command ...string) (output, complaint string, err error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	return stdout.String(), stderr.String(), err
}

// must is run for what has to succeed.
func (c *compose) must(ctx context.Context, args ...string) string {
	c.t.Helper()
	start := time.Now()
	output, complaint, err := c.run(ctx, args...)
	if err != nil {
		c.t.Fatalf("compose %s: %v\n%s%s", strings.Join(args, " "), err, output, complaint)
	}
	c.t.Logf("compose %s: %.1f s", strings.Join(args, " "), time.Since(start).Seconds())
	return output
}

// scale makes it n workers, all healthy.
func (c *compose) scale(ctx context.Context, n int) {
	c.t.Helper()
	c.must(ctx, "up", "--detach", "--wait", "--wait-timeout", "120", "--scale",
		fmt.Sprintf("worker=%d", n))
	if got := len(c.workers(ctx)); got != n {
		c.t.Fatalf("%d workers are running, %d were asked for", got, n)
	}
}

// workers are the container ids of the running workers.
func (c *compose) workers(ctx context.Context) []string {
	c.t.Helper()
	return strings.Fields(c.must(ctx, "ps", "--status", "running", "--quiet", "worker"))
}

// kill sends a signal to one worker and returns its exit code.
func (c *compose) kill(ctx context.Context, signal string) string {
	c.t.Helper()
	id := c.workers(ctx)[0]
	exited := make(chan string, 1)
	go func() {
		output, complaint, err := execute(ctx, "docker", "wait", id)
		if err != nil {
			output = fmt.Sprintf("docker wait: %v %s", err, complaint)
		}
		exited <- strings.TrimSpace(output)
	}()
	c.docker(ctx, "kill", "--signal", signal, id)
	return <-exited
}

// query returns the rows of a statement, read where the data is.
func (c *compose) query(ctx context.Context, sql string) []row {
	c.t.Helper()
	output := c.must(ctx, "exec", "-T", "postgres", "psql", "-qAtX", "-v", "ON_ERROR_STOP=1", "-U",
		"postgres", "-d", "outset", "-c", sql)
	var rows []row
	for line := range strings.Lines(output) {
		r, err := parseRow(line)
		c.do(err)
		rows = append(rows, r)
	}
	return rows
}
