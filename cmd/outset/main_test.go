//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/outset-settings/outset/internal/localpg/pgtest"
	"github.com/outset-settings/outset/internal/testlog"
	"github.com/outset-settings/outset/internal/testwait"
)

// asProgram is the environment variable that makes this test binary the program itself: a process
// that can be stopped and killed, and has the race detector in it when the tests do.
const asProgram = "RUN_AS_OUTSET"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	pgtest.Main(withData{m})
}

// testData is where those systems keep their keys that are given no directory.
var testData = filepath.Join(os.TempDir(), fmt.Sprintf("outset-test-data-%d", os.Getpid()))

// withData runs the tests, then removes testData.
type withData struct{ m *testing.M }

func (d withData) Run() int {
	defer func() { _ = os.RemoveAll(testData) }()
	return d.m.Run()
}

// process is a running outset.
type process struct {
	cmd            *exec.Cmd
	stdout, stderr testlog.Buffer
	ended          chan struct{}
	code           int // once ended is closed; -1: killed by a signal
}

// env returns an environment with no variables of outset but those given.
func env(more ...string) []string {
	var e []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR"} {
		e = append(e, name+"="+os.Getenv(name))
	}
	// The race detector waits a second at every exit for goroutines that still race.
	return slices.Concat(e, []string{
		asProgram + "=1", "GORACE=atexit_sleep_ms=10", "OUTSET_DATA=" + testData,
	}, more)
}

// start runs outset. At the end of the test it is stopped, if it still runs.
func start(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	return startIn(t, "", env, args...)
}

func startIn(t *testing.T, dir string, env []string, args ...string) *process {
	t.Helper()
	p := &process{ended: make(chan struct{})}
	// Not CommandContext, which would kill it: the cleanup stops it.
	p.cmd = exec.Command(os.Args[0], args...)
	p.cmd.Dir, p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = dir, env, &p.stdout, &p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		var exit *exec.ExitError
		if err := p.cmd.Wait(); errors.As(err, &exit) {
			p.code = exit.ExitCode()
		} else if err != nil {
			p.code = -2
		}
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.signal(syscall.SIGTERM)
		p.wait(t)
		if strings.Contains(p.stderr.String(), "DATA RACE") {
			t.Errorf("outset %s: %s", args, &p.stderr)
		}
		if t.Failed() {
			t.Logf("outset %s\n%s%s", args, &p.stdout, &p.stderr)
		}
	})
	return p
}

// signal does nothing once the process has ended.
func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// wait returns the exit code. Only a process that hangs waits for the deadline.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(5 * time.Minute):
		p.signal(syscall.SIGQUIT) // shows where it hangs
		<-p.ended
		t.Fatal("the process does not end")
	}
	return p.code
}

// run runs a command that ends by itself.
func run(t *testing.T, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	p := start(t, env, args...)
	code = p.wait(t)
	return code, p.stdout.String(), p.stderr.String()
}

// addresses are those that a started system prints.
type addresses struct{ http, health, nats, postgres string }

var banner = regexp.MustCompile(`(?s)Outset is ready after [0-9.]+ s, with (?:1 worker|[2-9] workers)\. .*` +
	`API +(http://\S+)\n.*health +(http://\S+)\n.*NATS +(\S+)\n.*Postgres +([^\n]+)\n.*Try:\n`)

// ready waits until the system prints that it is ready.
func (p *process) ready(t *testing.T) addresses {
	t.Helper()
	var found []string
	eventually(t, "it is ready", func() bool {
		found = banner.FindStringSubmatch(p.stdout.String())
		select {
		case <-p.ended:
			t.Fatalf("it ended with %d: %s", p.code, &p.stderr)
		default:
		}
		return found != nil
	})
	return addresses{http: found[1], health: found[2], nats: found[3], postgres: found[4]}
}

// stop presses Ctrl-C and expects an end without an error.
func (p *process) stop(t *testing.T) {
	t.Helper()
	p.signal(syscall.SIGINT)
	if code := p.wait(t); code != 0 {
		t.Errorf("exit code %d after Ctrl-C: %s", code, &p.stderr)
	}
	for _, bad := range []string{"panic", `"level":"ERROR"`, "outset: "} {
		if strings.Contains(p.stderr.String(), bad) {
			t.Errorf("%q while it ran: %s", bad, &p.stderr)
		}
	}
}

// eventually waits for a condition; only a failing test waits for the deadline.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	testwait.Until(t, 5*time.Minute, what, condition)
}

// complaint returns the error that a program ends with, which must be a single line. Lines of the
// log may stand around it.
func complaint(t *testing.T, stderr string) string {
	t.Helper()
	var lines []string
	for line := range strings.Lines(stderr) {
		if !strings.HasPrefix(line, `{"time":`) {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	if len(lines) != 1 || !strings.HasPrefix(lines[0], "outset: ") {
		t.Fatalf("not one clear line: %s", stderr)
	}
	return lines[0]
}
