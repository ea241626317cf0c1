package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/outset-settings/outset/internal/testlog"
)

// TestInterruptedInput: Ctrl-C while a command reads its input ends it, and nothing is sent.
func TestInterruptedInput(t *testing.T) {
	t.Parallel()
	for _, args := range []string{
		"set 42 -", "set 42 theme -", "patch 42 -", "schema set -",
		"schema check -",
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _, _ = r.Close(), w.Close() }()
			var stderr testlog.Buffer
			c := exec.CommandContext(t.Context(), os.Args[0], strings.Fields(args)...)
			c.Env, c.Stdin, c.Stderr = env("OUTSET_URL=http://127.0.0.1:1"), r, &stderr
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			_, _ = io.WriteString(w, "{")
			eventually(t, "it has read what was typed", func() bool {
				n, err := unix.IoctlGetInt(int(r.Fd()), unix.TIOCINQ)
				return err == nil && n == 0
			})
			_ = c.Process.Signal(os.Interrupt)
			if err := c.Wait(); c.ProcessState.ExitCode() != exitInterrupted {
				t.Errorf("%v: %s", err, &stderr)
			}
			if line := complaint(t, stderr.String()); !strings.Contains(line, "interrupted") {
				t.Error(line)
			}
		})
	}
}

// TestInterrupted: a signal ends a command and its request. No file is left, and of a write the
// message says that the outcome is unknown.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/users/export" {
			w.Header().Set("Content-Type", "application/x-ndjson")
			_, _ = io.WriteString(w, `{"user":"1","version":1,"settings":{}}`+"\n")
			_ = http.NewResponseController(w).Flush()
		}
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	s := newShell(t, server.URL)
	for _, c := range []struct {
		args   string
		signal syscall.Signal
		code   int
		want   string
	}{
		{"get 42", syscall.SIGINT, exitInterrupted, "context canceled"},
		{"export all.ndjson", syscall.SIGHUP, exitInterrupted, "outset: "},
		{"set 42 a 1", syscall.SIGTERM, exitInterrupted, strings.TrimSpace(outcomeUnknown)},
		{"watch 42", syscall.SIGINT, 0, ""},
	} {
		if signal.Ignored(c.signal) { // under nohup, which commands respect; see TestNohup
			c.signal = syscall.SIGTERM
		}
		p := startIn(t, s.dir, s.env, strings.Fields(c.args)...)
		<-asked
		p.signal(c.signal)
		if code := p.wait(t); code != c.code || !strings.Contains(p.stderr.String(), c.want) {
			t.Errorf("%s: exit code %d: %s", c.args, code, &p.stderr)
		}
	}
	if left, err := os.ReadDir(s.dir); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestNohup: a command that was started with SIGHUP ignored, as by nohup, goes on ignoring it.
func TestNohup(t *testing.T) {
	t.Parallel()
	asked, answer := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(asked)
		<-answer
		w.Header().Set("ETag", `"1"`)
		_, _ = io.WriteString(w, "{}")
	}))
	t.Cleanup(server.Close)
	s := newShell(t, server.URL)
	c := exec.CommandContext(t.Context(), "sh", "-c", `trap "" HUP; exec outset get 42`)
	c.Env = s.env
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	<-asked
	if !ignores(t, c.Process.Pid, syscall.SIGHUP) {
		t.Error("SIGHUP is not ignored any more")
	}
	_ = c.Process.Signal(syscall.SIGHUP)
	close(answer)
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}

// ignores tells whether a process ignores a signal.
func ignores(t *testing.T, pid int, signal syscall.Signal) bool {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, mask, _ := strings.Cut(string(status), "\nSigIgn:\t")
	mask, _, _ = strings.Cut(mask, "\n")
	bits, err := strconv.ParseUint(mask, 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return bits&(1<<(signal-1)) != 0
}
