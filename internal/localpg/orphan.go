//go:build unix

package localpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// pidFile is what a postmaster writes about itself into postmaster.pid.
type pidFile struct {
	pid    int
	socket string // its directory
	ready  bool
}

func readPIDFile(data string) (pidFile, error) {
	b, err := os.ReadFile(filepath.Join(data, "postmaster.pid")) //nolint:gosec // inside the caller's directory
	if err != nil {
		return pidFile{}, err
	}
	// One item a line (miscadmin.h, LOCK_FILE_LINE_*); the later ones come as the start goes on.
	lines := strings.Split(string(b), "\n")
	line := func(n int) string {
		if n > len(lines) {
			return ""
		}
		return strings.TrimSpace(lines[n-1])
	}
	pid, err := strconv.Atoi(line(1))
	if err != nil || pid <= 1 {
		return pidFile{}, fmt.Errorf("%s/postmaster.pid: no process id in %q", data, line(1))
	}
	return pidFile{pid: pid, socket: line(5), ready: line(8) == "ready"}, nil
}

// stopOrphan ends a server that outlived its owner. The caller holds the lock of the directory, so
// that a server that runs in it has no owner any more.
func (c *cluster) stopOrphan(ctx context.Context) error {
	f, err := readPIDFile(c.data)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		// Half written when the machine lost power. PostgreSQL's own error will explain it.
		c.log.Warn("cannot tell whether an old server still runs", "err", err)
		return nil
	}
	defer removeStaleSocketDir(f.socket)
	if !isServerOf(f.pid, c.data) {
		return nil // PostgreSQL removes the file itself
	}
	c.log.Info("stopping a server that outlived its owner", "pid", f.pid, "dir", c.dir)
	for _, signal := range []syscall.Signal{fastShutdown, immediateShutdown} {
		if err := syscall.Kill(f.pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop the server that outlived its owner (process %d): %w", f.pid,
				err)
		}
		if gone, err := awaitEnd(ctx, f.pid, c.data); gone || err != nil {
			return err
		}
	}
	return fmt.Errorf("a server that outlived its owner (process %d) does not stop", f.pid)
}

// awaitEnd polls, since the process is not a child that could be waited for.
func awaitEnd(ctx context.Context, pid int, data string) (gone bool, err error) {
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	deadline := time.NewTimer(stopGrace)
	defer deadline.Stop()
	for isServerOf(pid, data) {
		select {
		case <-ctx.Done():
			return false, fmt.Errorf("waiting for the end of a server that outlived its owner (process %d): %w", pid, ctx.Err())
		case <-deadline.C:
			return false, nil
		case <-ticker.C:
		}
	}
	return true, nil
}
