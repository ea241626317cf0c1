// Package process runs the programs that are measured, and reads their CPU time and memory.
package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Process is a program that runs until Stop.
type Process struct {
	Name   string
	cmd    *exec.Cmd
	cancel context.CancelFunc
	log    string
	done   chan struct{}
	err    error // after done is closed
}

// stopGrace is how long a program may take to stop before it is killed.
const stopGrace = 15 * time.Second

// Start runs a program with nothing in its environment but env, PATH and HOME. Its output goes to
// the file NAME.log in dir. The end of ctx stops it, too.
func Start(ctx context.Context, dir, name string, env []string, program string,
	args ...string,
) (*Process, error) {
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	ctx, cancel := context.WithCancel(ctx)
	p := &Process{Name: name, cancel: cancel, log: log.Name(), done: make(chan struct{})}
	p.cmd = exec.CommandContext(ctx, program, args...)
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, env...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = stopGrace
	if err := p.cmd.Start(); err != nil {
		cancel()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// PID returns its process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Stop asks the program to stop, and waits until it has ended or has been killed.
func (p *Process) Stop() {
	p.cancel()
	<-p.done
}

// Err returns an error, with the end of the program's output, if the program has ended.
func (p *Process) Err() error {
	select {
	case <-p.done:
	default:
		return nil
	}
	output, _ := os.ReadFile(p.log)
	const most = 2000
	return fmt.Errorf("%s ended: %w\n%s", p.Name, p.err, output[max(0, len(output)-most):])
}

// Until calls try every few milliseconds until it returns nil. It returns an error if the program
// ends or a minute passes before that.
func (p *Process) Until(ctx context.Context, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		if ended := p.Err(); ended != nil {
			return ended
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w", p.Name, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Serves returns a function for Until that wants a GET of url to be answered by 200.
func Serves(url string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := Get(ctx, url)
		return err
	}
}

// Get returns the body of an answer, which must be a 200.
func Get(ctx context.Context, url string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return nil, errors.New(answer.Status)
	}
	return io.ReadAll(answer.Body)
}
