package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	natsserver "github.com/nats-io/nats-server/v2/server"

	"github.com/outset-settings/outset/internal/localpg/pgtest"
)

const (
	workersAtOnce = 3
	kills         = 8
	// Long enough for drawing the frozen worker at every attempt, if the API drew again, and
	// shorter than NATS takes to drop it.
	frozen   = 4 * time.Second
	logLines = 60 // of each program, shown when the test fails
)

// TestProcesses runs the programs, kills and freezes workers under load, and compares the answers
// with the data. Nothing may be lost, applied twice or refused: a dead worker costs time only.
func TestProcesses(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	bin := buildPrograms(ctx, t)
	database := pgtest.ForTest(t)
	queue := startNATS(t)
	startWorker := func() *program {
		w := startProgram(t, filepath.Join(bin, "worker"), "NATS_URL="+queue,
			"DATABASE_URL="+database, "ADMIN_ADDR=127.0.0.1:0")
		do(w.serving(ctx, "admin listening"))
		return w
	}
	var workers []*program
	for range workersAtOnce {
		workers = append(workers, startWorker())
	}
	api := startProgram(t, filepath.Join(bin, "api"), "NATS_URL="+queue, "HTTP_ADDR=127.0.0.1:0",
		"ADMIN_ADDR=127.0.0.1:0")
	do(api.listens(ctx, "api listening"))
	base := "http://" + api.addr
	do(ready(ctx, base))

	l := startLoad(t, base, "undisturbed")
	do(l.settle(ctx, 500))

	l.phase(fmt.Sprintf("%d SIGKILLs", kills))
	for range kills {
		victim := rand.N(len(workers))
		workers[victim].kill()
		// The dead one's requests are still waiting for their answer while the new one starts.
		workers[victim] = startWorker()
		do(l.settle(ctx, 300))
	}

	l.phase("SIGSTOP, SIGCONT")
	victim := workers[rand.N(len(workers))]
	do(victim.signal(syscall.SIGSTOP))
	time.Sleep(frozen) // how long it lasts is the fault itself; the others serve meanwhile
	do(victim.signal(syscall.SIGCONT))
	do(l.settle(ctx, 500)) // and the late work has come to its end beside these

	l.phase("SIGTERM one by one")
	for i := range workers {
		do(workers[i].terminate(ctx))
		workers[i] = startWorker()
	}
	do(l.settle(ctx, 500))

	l.finish()
	if err := l.report(t); err != nil {
		t.Error(err)
	}
	do(api.terminate(ctx))
	for _, w := range workers {
		do(w.terminate(ctx))
	}
	log, err := query(ctx, database, selectLog)
	do(err)
	settings, err := query(ctx, database, selectSettings)
	do(err)
	if err := verify(l.ledgers, log, settings); err != nil {
		t.Error(err)
	}
}

// startNATS starts a NATS server as deploy/nats.conf has it, on a free port, and returns its URL.
func startNATS(t *testing.T) string {
	t.Helper()
	s, err := natsserver.NewServer(&natsserver.Options{
		Host: "127.0.0.1", Port: -1, NoLog: true, NoSigs: true,
		PingInterval: 5 * time.Second, MaxPingsOut: 2,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the NATS server does not start")
	}
	return s.ClientURL()
}

// program is a process of ours, with the log that it writes.
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
func startProgram(t *testing.T, path string, env ...string) *program {
	t.Helper()
	p := &program{cmd: exec.Command(path), read: make(chan struct{}), quit: make(chan struct{})}
	p.cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "LOG_FORMAT=json",
		"GORACE=halt_on_error=1",
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
			return strings.Contains(line,
				"WARNING: DATA RACE")
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

// listens waits for the line of the log that tells the address that a port 0 became.
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

// terminate asks the program to stop, which has to be an orderly one.
func (p *program) terminate(ctx context.Context) error {
	if err := p.signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
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

func query(ctx context.Context, database, sql string) ([]row, error) {
	c, err := pgx.Connect(ctx, database)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close(ctx) }()
	rows, err := c.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(r pgx.CollectableRow) (row, error) {
		var line string
		if err := r.Scan(&line); err != nil {
			return row{}, err
		}
		return parseRow(line)
	})
}
