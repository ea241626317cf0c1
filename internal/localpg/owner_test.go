//go:build unix

package localpg_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/outset-settings/outset/internal/localpg"
	"github.com/outset-settings/outset/internal/localpg/pgtest"
)

func TestOrphanIsTakenOver(t *testing.T) {
	t.Parallel()
	for name, dir := range map[string]string{
		"short path": pgtest.TempDir(t),
		"long path":  filepath.Join(pgtest.TempDir(t), strings.Repeat("long/", 40)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			initialize(t, dir)
			child, stdout := startOwner(t, dir, childOrphans+"=1")
			pid, url := readServer(t, stdout)
			query(t, url, "create table kept (word text)", "insert into kept values ('still here')")
			socket := strings.Trim(query(t, url, "show unix_socket_directories"), `"`)
			kill(t, child)
			if err := syscall.Kill(pid, 0); err != nil {
				t.Fatal("the orphan is no more:", err)
			}
			s := start(t, localpg.Options{Dir: dir})
			if s.PID() == pid {
				t.Error("the same process")
			}
			if got := query(t, s.URL(), "select word from kept"); got != "still here" {
				t.Errorf("got %q", got)
			}
			if _, err := os.Stat(socket); strings.Contains(name, "long") &&
				!errors.Is(err, os.ErrNotExist) {
				t.Errorf("the orphan's socket directory %s is left: %v", socket, err)
			}
		})
	}
}

func TestRemoveStopsTheOrphan(t *testing.T) {
	t.Parallel()
	dir := initialized(t)
	child, stdout := startOwner(t, dir, childOrphans+"=1")
	pid, _ := readServer(t, stdout)
	kill(t, child)
	if err := localpg.Remove(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Error(dir, err)
	}
	eventually(t, "the orphan ended", func() bool { return !alive(pid) })
}

func TestServerDiesWithItsOwner(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has death signals; elsewhere the next start stops the orphan")
	}
	child, stdout := startOwner(t, initialized(t))
	pid, _ := readServer(t, stdout)
	kill(t, child)
	eventually(t, "the server ended", func() bool { return !alive(pid) })
}

// TestKilledInitialization kills owners while they make their data directory.
func TestKilledInitialization(t *testing.T) {
	t.Parallel()
	dir := pgtest.TempDir(t)
	leftovers := func() []string {
		found, _ := filepath.Glob(filepath.Join(dir, "data.init-*", "PG_VERSION"))
		return found
	}
	child, _ := startOwner(t, dir)
	eventually(t, "initdb is at work", func() bool { return len(leftovers()) > 0 })
	kill(t, child)
	if _, err := os.Stat(filepath.Join(dir, "data")); !errors.Is(err, os.ErrNotExist) {
		t.Fatal("half a data directory:", err)
	}
	s := start(t, localpg.Options{Dir: dir})
	query(t, s.URL(), "select 'whole'")
}

func TestStaleFilesAreHarmless(t *testing.T) {
	t.Parallel()
	dir := initialized(t)
	s := start(t, localpg.Options{Dir: dir})
	stop(t, s)
	leftover := filepath.Join(dir, "data.init-1234", "base")
	if err := os.MkdirAll(leftover, 0o700); err != nil {
		t.Fatal(err)
	}
	// A process id that was taken by somebody else since: ours, who must not be stopped.
	pidFile := filepath.Join(dir, "data", "postmaster.pid")
	stale := strings.Replace("PID\n"+dir+"/data\n1700000000\n5432\n"+dir+"/data\n\n", "PID",
		itoa(os.Getpid()), 1)
	if err := os.WriteFile(pidFile, []byte(stale), 0o600); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "data")); err != nil {
		t.Fatal(err)
	} else if st, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
		if err := os.Chown(pidFile, int(st.Uid), int(st.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	s = start(t, localpg.Options{Dir: dir})
	query(t, s.URL(), "select 'fine'")
	if _, err := os.Stat(leftover); !errors.Is(err, os.ErrNotExist) {
		t.Error("the leftover is still there:", err)
	}
}
