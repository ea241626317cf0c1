package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/outset-settings/outset/internal/localpg/pgtest"
)

// terminal returns both ends of a new terminal: ours, and the one for a program.
func terminal(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no terminals here:", err)
	}
	t.Cleanup(func() { _ = ours.Close() })
	if err := unix.IoctlSetPointerInt(int(ours.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(ours.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return ours, theirs
}

// onTerminal runs outset in a terminal and returns all that it shows there.
func (s shell) onTerminal(t *testing.T, args ...string) string {
	t.Helper()
	ours, theirs := terminal(t)
	var shown strings.Builder
	var reading sync.WaitGroup
	// It ends with an error when the other end is closed.
	reading.Go(func() { _, _ = io.Copy(&shown, ours) })
	c := exec.CommandContext(t.Context(), os.Args[0], args...)
	c.Dir, c.Env, c.Stdin, c.Stdout, c.Stderr = s.dir, s.env, theirs, theirs, theirs
	err := c.Run()
	_ = theirs.Close()
	reading.Wait()
	if err != nil {
		t.Errorf("outset %s: %v: %s", args, err, &shown)
	}
	return strings.ReplaceAll(shown.String(), "\r\n", "\n")
}

// TestTerminal: on a terminal commands print text by default, and long ones show their progress.
func TestTerminal(t *testing.T) {
	t.Parallel()
	p := start(t, env("DATABASE_URL="+pgtest.ForTest(t)), upArgs("--workers=1")...)
	s := newShell(t, p.ready(t).http)
	for _, c := range []struct{ args, want string }{
		{"set 42 theme dark", "42: version 1\n"},
		{"get 42", "{\n  \"theme\": \"dark\"\n}\n"},
		{"get 42 --json", `{"theme":"dark"}`},
		{"history 42", "VERSION  TIME "},
		{"users --include", "USER  VERSION  TIME "},
		{"export all.ndjson", "exporting"},
		{"export all.ndjson", "\r1 user exported\n"},
		{"import all.ndjson", "importing"},
		{"import all.ndjson", "\r1 line imported, 0 failed\n"},
	} {
		if shown := s.onTerminal(t, strings.Fields(c.args)...); !strings.Contains(shown, c.want) {
			t.Errorf("outset %s: %q, want %q", c.args, shown, c.want)
		}
	}
	saved, err := os.ReadFile(filepath.Join(s.dir, "all.ndjson"))
	if err != nil || !strings.HasSuffix(string(saved), `{"end":true,"users":1}`+"\n") {
		t.Errorf("%q, %v", saved, err)
	}
}
