//go:build unix

package localpg

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// ErrInUse says that another running process owns the directory.
var ErrInUse = errors.New("in use")

// dirLock makes one process the owner of a directory. It is a flock, not a file that exists or
// does not, because the kernel releases it however the owner ends.
type dirLock struct {
	file *os.File
	once sync.Once
}

func lockDir(dir string) (*dirLock, error) {
	name := filepath.Join(dir, "lock")
	// No link is followed: for root, the directory may be one that somebody else made.
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600) //nolint:gosec // the caller's directory is the point
	if errors.Is(err, os.ErrPermission) {
		return nil, fmt.Errorf(
			"cannot lock the data directory (does it belong to another user?): %w", err,
		)
	}
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer func() { _ = f.Close() }()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s is %w by another outset%s: stop it or choose another directory", dir, ErrInUse, ownerOf(name))
		}
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	// The process id is for people; it may be missing or old.
	_ = f.Truncate(0)
	_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return &dirLock{file: f}, nil
}

func ownerOf(name string) string {
	b, err := os.ReadFile(name) //nolint:gosec // our own lock file
	if pid := strings.TrimSpace(string(b)); err == nil && pid != "" {
		return " (process " + pid + ")"
	}
	return ""
}

// unlock may be called on nil and more than once.
func (l *dirLock) unlock() {
	if l == nil {
		return
	}
	l.once.Do(func() {
		// Explicitly, because a child between fork and exec still shares the open file, and
		// closing only our descriptor of it would keep the lock until that exec.
		_ = syscall.Flock(int(l.file.Fd()), syscall.LOCK_UN)
		_ = l.file.Close()
	})
}

// makeDir makes the directory where it is missing and returns its path without symbolic links,
// so that the data directory has one name however it was spelled.
func makeDir(dir string) (string, error) {
	if dir == "" {
		return "", errors.New("no directory given")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	made := abs
	for ; ; made = filepath.Dir(made) {
		if _, err := os.Stat(filepath.Dir(made)); err == nil || filepath.Dir(made) == made {
			break
		}
	}
	_, err = os.Stat(abs)
	missing := errors.Is(err, os.ErrNotExist)
	if err := os.MkdirAll(abs, 0o755); err != nil { //nolint:gosec // the secrets are in data, which is 0700
		return "", err
	}
	for d := abs; missing && os.Geteuid() == 0; d = filepath.Dir(d) {
		// Under a strict umask root would make directories that the server's user cannot pass.
		if err := os.Chmod(d, 0o755); err != nil { //nolint:gosec // as above
			return "", err
		}
		if d == made {
			break
		}
	}
	return filepath.EvalSymlinks(abs)
}

// Remove deletes a directory with all its data, after stopping a server that outlived its owner in
// it. A directory that a living process owns is refused with ErrInUse.
func Remove(ctx context.Context, dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	lock, err := lockDir(dir)
	if err != nil {
		return fmt.Errorf("remove local PostgreSQL: %w", err)
	}
	defer lock.unlock()
	c := &cluster{dir: dir, data: filepath.Join(dir, "data"), log: slog.New(slog.DiscardHandler)}
	if err := c.stopOrphan(ctx); err != nil {
		return fmt.Errorf("remove local PostgreSQL: %w", err)
	}
	return os.RemoveAll(dir)
}
