//go:build unix

package localpg

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// Two of PostgreSQL's three ways to shut down. The smart one, SIGTERM, waits until every client has
// left, which would keep its owner from ending.
const (
	fastShutdown      = syscall.SIGINT
	immediateShutdown = syscall.SIGQUIT
)

// poll is how often the state of a starting or stopping server is checked. That reads a small file
// (pg_ctl waits 100 ms between two checks).
const poll = 5 * time.Millisecond

// process is a running postmaster.
type process struct {
	cmd  *exec.Cmd
	log  *serverLog
	pid  int           // set before run returns
	done chan struct{} // closed after err is set

	err      error
	stopping atomic.Bool
}

// run starts the server and returns when it accepts connections.
func (c *cluster) run(ctx context.Context, socket string) (*process, error) {
	// A server that was killed leaves children for a moment, which hold its shared memory. The new
	// one refuses to start beside them, and they end by themselves.
	const stragglers = 5 * time.Second
	for began := time.Now(); ; {
		p, err := c.tryRun(ctx, socket)
		if err == nil || !strings.Contains(err.Error(), "still in use") ||
			time.Since(began) > stragglers {
			return p, err
		}
	}
}

func (c *cluster) tryRun(ctx context.Context, socket string) (*process, error) {
	log, err := openLog(c.dir)
	if err != nil {
		return nil, err
	}
	args := append([]string{"-D", c.data}, c.flags(socket)...)
	// Not CommandContext: a cancelled context must not kill a database.
	cmd := exec.Command(filepath.Join(c.bin, "postgres"), args...) //nolint:gosec,noctx // found by Binaries; see above
	cmd.Stdout, cmd.Stderr = log.file, log.file
	cmd.Dir, cmd.Env = c.dir, environment()
	cmd.SysProcAttr = processAttributes(c.account, fastShutdown)
	p := &process{cmd: cmd, log: log, done: make(chan struct{})}
	started := make(chan error)
	go p.live(started)
	if err := <-started; err != nil {
		log.close()
		return nil, err
	}
	if err := p.awaitReady(ctx, c.data); err != nil {
		stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
		defer cancel()
		return nil, errors.Join(err, p.stop(stopCtx))
	}
	return p, nil
}

// flags are the settings as command-line flags. They win over postgresql.conf, so that an old data
// directory gets the settings of today's program.
func (c *cluster) flags(socket string) []string {
	settings := map[string]string{
		"listen_addresses": "",
		// A list, hence the quotes.
		"unix_socket_directories": `"` + strings.ReplaceAll(socket, `"`, `""`) + `"`,
		"unix_socket_permissions": "0700",
		"port":                    port,
		"cluster_name":            role,
		"timezone":                "UTC",
		"log_timezone":            "UTC",
		"log_checkpoints":         "off", // a line every few minutes
		"max_connections":         "100",
	}
	if c.throwaway {
		maps.Copy(settings, map[string]string{
			"fsync":              "off",
			"synchronous_commit": "off",
			"full_page_writes":   "off",
			"autovacuum":         "off",     // its workers would make timings jump
			"max_connections":    "300",     // many tests at once, each with its pools
			"wal_level":          "minimal", // nobody replicates them
			"max_wal_senders":    "0",
			"max_wal_size":       "128MB", // they may be in memory
		})
	}
	maps.Copy(settings, c.settings)
	var flags []string
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		flags = append(flags, "-c", name+"="+settings[name])
	}
	return flags
}

// live starts the server and waits for its end, on one thread: see processAttributes.
func (p *process) live(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := p.cmd.Start(); err != nil {
		started <- err
		return
	}
	p.pid = p.cmd.Process.Pid
	started <- nil
	err := p.cmd.Wait()
	if !p.stopping.Load() {
		status := "exit status 0"
		if err != nil {
			status = err.Error()
		}
		p.err = fmt.Errorf("the server (process %d) ended by itself: %s%s", p.pid, status,
			p.log.tail())
	}
	p.log.close()
	close(p.done)
}

func (p *process) awaitReady(ctx context.Context, data string) error {
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for {
		if f, err := readPIDFile(data); err == nil && f.pid == p.pid && f.ready {
			return nil
		}
		select {
		case <-p.done:
			return p.err
		case <-ctx.Done():
			return fmt.Errorf("the server did not become ready: %w%s", ctx.Err(), p.log.tail())
		case <-ticker.C:
		}
	}
}

// stop shuts down fast, and at once when ctx ends before that is done.
func (p *process) stop(ctx context.Context) error {
	p.stopping.Store(true)
	p.signal(fastShutdown)
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
	}
	select {
	case <-p.done: // both were ready
		return nil
	default:
	}
	p.signal(immediateShutdown)
	select {
	case <-p.done:
	case <-time.After(stopGrace):
		// PostgreSQL itself kills its children 5 s after an immediate shutdown; only a
		// postmaster that cannot run at all gets here.
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	return fmt.Errorf("the server did not shut down in time and was made to quit: %w",
		context.Cause(ctx))
}

// signal does nothing once the process has ended.
func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

func (p *process) Err() error {
	select {
	case <-p.done:
		return p.err
	default:
		return nil
	}
}
