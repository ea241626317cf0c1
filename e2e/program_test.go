package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/outset-settings/outset/internal/localnats"
)

const logLines = 60 // of each program, shown when the test fails

// startNATS starts a NATS server with the roles of deploy/nats-roles.conf, on a free port, and
// returns its URL and the directory with its keys.
func startNATS(t *testing.T) (url, keys string) {
	t.Helper()
	s, keys := startNATSServer(t)
	return s.URL(), keys
}

// startNATSServer returns the server itself, which can be stopped and started again.
func startNATSServer(t *testing.T) (s *localnats.Server, keys string) {
	t.Helper()
	s, err := localnats.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	keys = t.TempDir()
	if err := s.SaveKeys(keys); err != nil {
		t.Fatal(err)
	}
	return s, keys
}

// program is a process, with the log that it writes.
type program struct {
	name string
	cmd  *exec.Cmd
	addr string // known after listens
	read chan struct{}
	quit chan struct{}
	err  error // of the exit; after quit is closed

	mu   sync.Mutex
	said []string
}

// startProgram starts a program, which is killed at the end of the test at the latest.
func startProgram(t *testing.T, path string, env []string, args ...string) *program {
	t.Helper()
	p := &program{cmd: exec.Command(path, args...), read: make(chan struct{}), quit: make(chan struct{})}
	p.cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "LOG_FORMAT=json",
		// The race detector would wait a second at every exit for goroutines that still race.
		"GORACE=halt_on_error=1 atexit_sleep_ms=10",
	}, env...)
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.name = fmt.Sprintf("%s %d", filepath.Base(path), p.cmd.Process.Pid)
	go p.listen(stderr)
	go func() {
		<-p.read
		p.err = p.cmd.Wait()
		close(p.quit)
	}()
	t.Cleanup(func() {
		p.kill()
		said := p.log()
		if races := slices.IndexFunc(said, func(line string) bool {
			return strings.Contains(line, "WARNING: DATA RACE")
		}); races >= 0 {
			t.Errorf("%s:\n%s", p.name, strings.Join(said[races:], "\n"))
		} else if t.Failed() {
			t.Logf("%s said last:\n%s", p.name,
				strings.Join(said[max(0, len(said)-logLines):], "\n"))
		}
	})
	return p
}

func (p *program) listen(stderr io.Reader) {
	defer close(p.read)
	lines := bufio.NewScanner(stderr)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		p.mu.Lock()
		p.said = append(p.said, lines.Text())
		p.mu.Unlock()
	}
}

func (p *program) log() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.said)
}

// listens waits for the log line with the address that a port 0 became.
func (p *program) listens(ctx context.Context, message string) error {
	ctx, cancel := p.whileItRuns(ctx)
	defer cancel()
	return waitFor(ctx, p.name+" to log "+message, func(context.Context) error {
		for _, text := range p.log() {
			var line struct{ Msg, Addr string }
			if json.Unmarshal([]byte(text), &line) == nil && line.Msg == message {
				p.addr = line.Addr
				return nil
			}
		}
		return errors.New("not yet")
	})
}

// serving waits until the program says that it is ready.
func (p *program) serving(ctx context.Context, message string) error {
	if err := p.listens(ctx, message); err != nil {
		return err
	}
	ctx, cancel := p.whileItRuns(ctx)
	defer cancel()
	return ready(ctx, "http://"+p.addr)
}

// whileItRuns returns a context that ends with ctx or when the program exits.
func (p *program) whileItRuns(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-p.quit:
			cancel(fmt.Errorf("%s exited: %w", p.name, p.err))
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

func (p *program) signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// kill ends the program at once, if it still runs.
func (p *program) kill() {
	_ = p.signal(syscall.SIGKILL)
	<-p.quit
}

// terminate asks the program to stop, which must exit with 0.
func (p *program) terminate(ctx context.Context) error {
	if err := p.signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return p.succeeds(ctx)
}

// succeeds waits until the program ends, which must be with 0.
func (p *program) succeeds(ctx context.Context) error {
	select {
	case <-p.quit:
	case <-ctx.Done():
		return fmt.Errorf("%s does not stop: %w", p.name, ctx.Err())
	}
	if p.err != nil {
		return fmt.Errorf("%s: %w", p.name, p.err)
	}
	return nil
}
