//go:build unix

package main

import (
	"errors"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/outset-settings/outset/internal/localpg/pgtest"
	"github.com/outset-settings/outset/internal/testlog"
)

// asProgram makes this test binary the program itself: a process of its own that can be stopped and
// killed, and has the race detector in it when the tests do.
const asProgram = "RUN_AS_OUTSET"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	pgtest.Main(m)
}

// process is a running outset.
type process struct {
	cmd            *exec.Cmd
	stdout, stderr testlog.Buffer
	started        time.Time
	ended          chan struct{}
	code           int // once ended is closed; -1: killed by a signal
}

// env is an environment with nothing of ours in it but what is given.
func env(more ...string) []string {
	var e []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR"} {
		e = append(e, name+"="+os.Getenv(name))
	}
	// The race detector waits a second at every exit for goroutines that still race.
	return slices.Concat(e, []string{asProgram + "=1", "GORACE=atexit_sleep_ms=10"}, more)
}

// start runs outset. At the end of the test it is stopped, if it still runs.
func start(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	return startIn(t, "", env, args...)
}

func startIn(t *testing.T, dir string, env []string, args ...string) *process {
	t.Helper()
	p := &process{ended: make(chan struct{}), started: time.Now()}
	// Not CommandContext: when it ends is for the test to say.
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

// signal does nothing when the process has ended.
func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// wait returns the exit code. Half a minute is beyond everything that a stop may wait for.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(30 * time.Second):
		p.signal(syscall.SIGQUIT) // shows where it hangs
		<-p.ended
		t.Fatal("it does not end")
	}
	return p.code
}

// run is for commands that end by themselves.
func run(t *testing.T, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	p := start(t, env, args...)
	code = p.wait(t)
	return code, p.stdout.String(), p.stderr.String()
}

// addresses are where a started system says it is.
type addresses struct{ http, health, nats, postgres string }

var banner = regexp.MustCompile(`(?s)Outset is ready after [0-9.]+ s, with \d+ workers?\. .*` +
	`API +(http://\S+)\n.*health +(http://\S+)\n.*NATS +(\S+)\n.*Postgres +([^\n]+)\n.*Try:\n`)

// ready waits until the system says that it is.
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
	t.Logf("ready after %v", time.Since(p.started).Round(time.Millisecond))
	return addresses{http: found[1], health: found[2], nats: found[3], postgres: found[4]}
}

// stop is Ctrl-C, and what is expected of it.
func (p *process) stop(t *testing.T) {
	t.Helper()
	began := time.Now()
	p.signal(syscall.SIGINT)
	if code := p.wait(t); code != 0 {
		t.Errorf("exit code %d after Ctrl-C: %s", code, &p.stderr)
	}
	took := time.Since(began)
	t.Logf("stopped after %v", took.Round(time.Millisecond))
	if took > 10*time.Second {
		t.Errorf("it took %v to stop", took)
	}
	for _, bad := range []string{"panic", `"level":"ERROR"`, "outset: "} {
		if strings.Contains(p.stderr.String(), bad) {
			t.Errorf("%q while it ran: %s", bad, &p.stderr)
		}
	}
}

// eventually looks until the condition holds; a minute is for machines that are busy elsewhere.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("still not so: " + what)
		}
	}
}

// complaint is the error that a program ends with, which must be one line. There may be logs around
// it.
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
