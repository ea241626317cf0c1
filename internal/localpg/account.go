//go:build unix

package localpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// ErrUnreachable says that the user who must run PostgreSQL may not enter the directory.
var ErrUnreachable = errors.New("cannot be entered")

// account is the user that runs initdb and postgres; nil means the one that runs this process.
type account struct {
	name     string
	uid, gid uint32
}

// chooseAccount returns nil unless the process runs as root, which PostgreSQL refuses.
func chooseAccount(data string) (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	// Existing data keep their owner, so that he can use them after one `sudo outset up`.
	if info, err := os.Stat(data); err == nil {
		if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 {
			return &account{name: userName(st.Uid), uid: st.Uid, gid: st.Gid}, nil
		}
	}
	for _, name := range []string{"postgres", "_postgres", "nobody"} { // _postgres: macOS
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		// macOS writes nobody's id as -2.
		uid, err1 := strconv.ParseInt(u.Uid, 10, 64)
		gid, err2 := strconv.ParseInt(u.Gid, 10, 64)
		if err1 == nil && err2 == nil {
			return &account{name: name, uid: uint32(uid), gid: uint32(gid)}, nil //nolint:gosec // wraps -2 as the kernel does
		}
	}
	return nil, errors.New("PostgreSQL refuses to run as root and this system has neither the user postgres nor nobody: run as an ordinary user")
}

func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "with id " + id
}

func (a *account) credential() *syscall.Credential {
	if a == nil {
		return nil
	}
	return &syscall.Credential{Uid: a.uid, Gid: a.gid}
}

// own gives a directory to the account and makes it private.
func (a *account) own(dir string) error {
	if err := os.Chmod(dir, 0o700); err != nil { //nolint:gosec // a directory needs its x
		return err
	}
	if a == nil {
		return nil
	}
	if err := os.Chown(dir, int(a.uid), int(a.gid)); err != nil {
		return fmt.Errorf("cannot give %s to the user %s who runs PostgreSQL: %w", dir, a.name, err)
	}
	return nil
}

// reach checks that the account can run the binaries and enter the directory. It tries instead of
// reading permission bits, which say nothing about access lists, mounts or security modules:
// a child process changes its directory after it has changed its user.
func (a *account) reach(ctx context.Context, bin, dir string) error {
	if a == nil {
		return nil
	}
	try := func(cwd string) error {
		cmd := exec.CommandContext(ctx, filepath.Join(bin, "postgres"), "--version") //nolint:gosec // found by Binaries
		cmd.Dir, cmd.Env = cwd, environment()
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: a.credential()}
		return cmd.Run()
	}
	if err := try("/"); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("the user %s cannot run %s: %w", a.name, filepath.Join(bin, "postgres"),
			err)
	}
	err := try(dir)
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	culprit := dir
	for d := filepath.Dir(dir); d != "/" && try(d) != nil; d = filepath.Dir(d) {
		culprit = d
	}
	return fmt.Errorf("%s %w by the user %s, who runs PostgreSQL because you are root: chmod a+x %s, or choose another data directory than %s (%w)",
		culprit, ErrUnreachable, a.name, culprit, dir, err)
}

// environment is what PostgreSQL's programs get: none of the caller's PG* variables, which would
// change the data directory, the port or the settings, and a locale that every system has.
func environment() []string {
	env := []string{"LC_ALL=C", "PATH=" + os.Getenv("PATH")}
	for _, name := range []string{"LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}
