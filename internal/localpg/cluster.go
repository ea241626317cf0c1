//go:build unix

package localpg

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// cluster is a data directory with what is needed to run it. (A cluster is PostgreSQL's word for
// the databases of one server.)
type cluster struct {
	dir, data string
	bin       string
	account   *account
	throwaway bool
	settings  map[string]string
	log       *slog.Logger
}

// openCluster finds the user and the binaries for a directory that the caller has locked.
func openCluster(ctx context.Context, dir string, o Options) (*cluster, error) {
	c := &cluster{
		dir: dir, data: filepath.Join(dir, "data"),
		throwaway: o.Throwaway, settings: o.Settings, log: o.Log,
	}
	major, err := dataMajor(c.data)
	if err != nil {
		return nil, err
	}
	if c.account, err = chooseAccount(c.data); err != nil {
		return nil, err
	}
	if c.bin, err = (finder{path: os.Getenv("PATH"), root: "/"}).find(major); err != nil {
		return nil, err
	}
	return c, c.account.reach(ctx, c.bin, dir)
}

// dataMajor is the version that made the data, 0 when there are none.
func dataMajor(data string) (int, error) {
	b, err := os.ReadFile(filepath.Join(data, "PG_VERSION")) //nolint:gosec // inside the caller's directory
	if err == nil {
		major, err := strconv.Atoi(strings.TrimSpace(string(b)))
		if err != nil {
			return 0, fmt.Errorf("%s/PG_VERSION: %w", data, err)
		}
		return major, nil
	}
	if errors.Is(err, os.ErrPermission) {
		return 0, fmt.Errorf("cannot read the data directory (does it belong to another user?): %w",
			err)
	}
	if !errors.Is(err, os.ErrNotExist) {
		return 0, err
	}
	// An empty directory may be replaced, be it a mount point or a mistake.
	if entries, err := os.ReadDir(data); err == nil && len(entries) > 0 {
		return 0, fmt.Errorf(
			"%s is not empty and not a PostgreSQL data directory: choose another directory", data,
		)
	}
	return 0, nil
}

const initPrefix = "data.init-"

// initialize makes the data directory unless there is one. It works in a sibling and renames it,
// so that a data directory is whole or absent whenever the process or the machine dies.
func (c *cluster) initialize(ctx context.Context) (made bool, err error) {
	leftovers, _ := filepath.Glob(filepath.Join(escapeGlob(c.dir), initPrefix+"*"))
	for _, left := range leftovers {
		c.log.Info("removing what a killed first start left", "dir", left)
		// This may fail while an initdb still ends in it. The name is never used again, and the
		// next start removes it.
		_ = os.RemoveAll(left)
	}
	if _, err := os.Stat(filepath.Join(c.data, "PG_VERSION")); err == nil {
		return false, nil
	}
	began := time.Now()
	temporary, err := os.MkdirTemp(c.dir, initPrefix)
	if err != nil {
		return false, err
	}
	defer func() { _ = os.RemoveAll(temporary) }() // no longer there after the rename
	if err := c.account.own(temporary); err != nil {
		return false, err
	}
	if err := c.initdb(ctx, temporary); err != nil {
		return false, err
	}
	if err := os.Remove(c.data); err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, err
	}
	if err := os.Rename(temporary, c.data); err != nil {
		return false, err
	}
	if !c.throwaway {
		if err := syncDir(c.dir); err != nil {
			return false, err
		}
	}
	c.log.Info("made a new database", "dir", c.data, "took",
		time.Since(began).Round(time.Millisecond))
	return true, nil
}

func (c *cluster) initdb(ctx context.Context, data string) error {
	args := []string{
		"-D", data, "--username=" + role, "--encoding=UTF8", "--locale=C",
		// Whoever can enter the socket's directory, which is 0700, is the owner.
		"--auth-local=trust", "--auth-host=reject",
		"--no-instructions", "--no-sync",
	}
	if !c.throwaway {
		args = append(args, "--data-checksums")
	}
	log, err := openLog(c.dir)
	if err != nil {
		return err
	}
	defer log.close()
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, "initdb"), args...) //nolint:gosec // found by Binaries
	cmd.Stdout, cmd.Stderr = log.file, log.file
	cmd.Dir, cmd.Env = c.dir, environment()
	cmd.SysProcAttr = processAttributes(c.account, syscall.SIGTERM)
	// SIGTERM first: initdb then stops its own children. They end by themselves when it is killed.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	runtime.LockOSThread() // see processAttributes
	defer runtime.UnlockOSThread()
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return fmt.Errorf("initdb: %w%s", err, log.tail())
	}
	if c.throwaway {
		return nil
	}
	return syncTree(data)
}

func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // the caller's directory
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// escapeGlob returns the pattern that matches the path alone.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
