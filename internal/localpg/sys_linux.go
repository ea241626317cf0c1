package localpg

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// deathSignals is false only in tests of what happens on systems without them.
var deathSignals = true

// processAttributes make a process the leader of its own session, out of reach of the terminal's
// signals, run it as the account, and have the kernel send it onDeath when its owner is killed.
//
// "Owner" is the thread that forked (golang.org/issue/27505): the caller must lock its goroutine to
// the thread until the process has ended.
func processAttributes(a *account, onDeath syscall.Signal) *syscall.SysProcAttr {
	if !deathSignals {
		onDeath = 0
	}
	return &syscall.SysProcAttr{Setsid: true, Credential: a.credential(), Pdeathsig: onDeath}
}

// isServerOf reports whether the process is a live postmaster of that data directory: process ids
// are reused, and a signal to a stranger is worse than an error. A postmaster's working directory
// is its data directory. A zombie has none.
func isServerOf(pid int, data string) bool {
	proc := fmt.Sprintf("/proc/%d", pid)
	cwd, err := os.Stat(filepath.Join(proc, "cwd"))
	if err != nil {
		return false
	}
	want, err := os.Stat(data)
	if err != nil || !os.SameFile(cwd, want) {
		return false
	}
	comm, err := os.ReadFile(filepath.Join(proc, "comm")) //nolint:gosec // the kernel's
	return err == nil && strings.TrimSpace(string(comm)) == "postgres"
}

// syncTree makes a new data directory durable with one call for its file system: a thousand
// files one by one, as initdb does it, take ten times as long.
func syncTree(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // the data directory
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	if err := unix.Syncfs(int(d.Fd())); err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}
