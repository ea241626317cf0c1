//go:build unix && !linux

package localpg

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// processAttributes make a process the leader of its own session, out of reach of the terminal's
// signals, and run it as the account. These systems send no signal when the owner is killed;
// the next start stops the orphan.
func processAttributes(a *account, _ syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Credential: a.credential()}
}

// isServerOf reports whether the process is a live postmaster of that data directory: process ids
// are reused, and a signal to a stranger is worse than an error. The command line is as run made
// it; a zombie has none.
func isServerOf(pid int, data string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "ps", "-ww", "-o", "args=", "-p", strconv.Itoa(pid)) //nolint:gosec // a number
	cmd.Env = environment()
	out, err := cmd.Output()
	return err == nil && strings.Contains(string(out), "postgres -D "+data+" ")
}

// syncTree makes a new data directory durable, file by file.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.IsDir() && !d.Type().IsRegular() {
			return nil
		}
		f, err := os.Open(path) //nolint:gosec // the data directory
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	})
}
