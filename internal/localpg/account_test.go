//go:build unix

package localpg_test

import (
	"errors"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/outset-settings/outset/internal/localpg"
	"github.com/outset-settings/outset/internal/localpg/pgtest"
)

func TestUnreachableDirectory(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root runs PostgreSQL as another user")
	}
	closed := filepath.Join(pgtest.TempDir(t), "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(closed, "open", "data")
	_, err := localpg.Start(t.Context(), localpg.Options{Dir: dir})
	if !errors.Is(err, localpg.ErrUnreachable) ||
		!strings.Contains(err.Error(), "chmod a+x "+closed+",") {
		t.Errorf("got %v, want ErrUnreachable and the directory %s", err, closed)
	}
}

// TestRootAdoptsTheDataOfAUser is `sudo outset up` after `outset up`.
func TestRootAdoptsTheDataOfAUser(t *testing.T) {
	t.Parallel()
	dir := pgtest.TempDir(t)
	asNobody(t, dir, "TestStartHere")
	s := start(t, localpg.Options{Dir: dir})
	stop(t, s)
	asNobody(t, dir, "TestStartHere")
}

// TestAsOrdinaryUser runs tests as somebody who is not root.
func TestAsOrdinaryUser(t *testing.T) {
	t.Parallel()
	asNobody(t, pgtest.TempDir(t), "TestDataOutliveTheServer|TestSecondOwnerIsRefused|TestOrphanIsTakenOver|TestLongPath|TestForeignDirectory")
}

const startHere = "LOCALPG_TEST_START_HERE"

// TestStartHere is run by others, as another user.
func TestStartHere(t *testing.T) {
	dir := os.Getenv(startHere)
	if dir == "" {
		t.Skip("run by TestRootAdoptsTheDataOfAUser")
	}
	s := start(t, localpg.Options{Dir: dir})
	query(t, s.URL(), "select 'fine'")
}

func TestForeignDirectory(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("no directory is foreign to root; TestAsOrdinaryUser runs this")
	}
	_, err := localpg.Start(t.Context(), localpg.Options{Dir: "/usr/outset-test"})
	if !errors.Is(err, os.ErrPermission) {
		t.Errorf("got %v", err)
	}
}

// asNobody runs tests of this binary as an unprivileged user, with dir, made his, as TMPDIR.
func asNobody(t *testing.T, dir, tests string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user; the other tests run as an ordinary one already")
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Skip(err)
	}
	uid, _ := strconv.ParseInt(nobody.Uid, 10, 64)
	gid, _ := strconv.ParseInt(nobody.Gid, 10, 64)
	if err := os.Chown(dir, int(uid), int(gid)); err != nil {
		t.Fatal(err)
	}
	// The go command builds the test binary in a directory that only root can enter.
	binary := filepath.Join(pgtest.TempDir(t), "localpg.test")
	copyProgram(t, binary)
	cmd := exec.CommandContext(t.Context(), binary, "-test.v", "-test.run=^("+tests+")$")
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "TMPDIR=" + dir, startHere + "=" + dir,
		// The race detector would wait a second at exit for goroutines that still race.
		"GORACE=atexit_sleep_ms=10",
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)},
	}
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Contains(string(out), "--- SKIP") {
		t.Errorf("%v\n%s", err, out)
	}
	if !strings.Contains(string(out), "--- PASS") {
		t.Errorf("nothing was tested:\n%s", out)
	}
}

// copyProgram has another process write the program, as a child of this one that another test
// starts meanwhile would inherit the open file, and nobody can run what somebody can write.
func copyProgram(t *testing.T, to string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "cp", self, to).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}
