package main

import (
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/vt"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"golang.org/x/sys/unix"

	"github.com/outset-settings/outset/internal/localpg/pgtest"
	"github.com/outset-settings/outset/internal/top"
)

// emulated is a terminal of 80 by 24 characters that has got what was shown.
func emulated(shown string) *vt.Emulator {
	e := vt.NewEmulator(80, 24)
	var answers sync.WaitGroup // of the terminal, to what a program asks it
	answers.Go(func() { _, _ = io.Copy(io.Discard, e) })
	_, _ = io.WriteString(e, shown)
	if end, ok := e.InputPipe().(io.Closer); ok { // Close and Read race
		_ = end.Close()
	}
	answers.Wait()
	return e
}

// sees waits until a text can be seen in the terminal.
func (c *screen) sees(t *testing.T, text string) {
	t.Helper()
	eventually(t, "it shows "+text, func() bool {
		return strings.Contains(emulated(c.shown.String()).String(), text)
	})
}

func (c *screen) press(t *testing.T, key string) {
	t.Helper()
	if _, err := io.WriteString(c.ours, key); err != nil {
		t.Error(err)
	}
}

func modes(t *testing.T, f *os.File) unix.Termios {
	t.Helper()
	m, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return *m
}

// wantRestored: a terminal that has got what was shown is as it was before.
func wantRestored(t *testing.T, shown string, was, is unix.Termios) {
	t.Helper()
	if e := emulated(shown); e.IsAltScreen() || e.CursorHidden() {
		t.Errorf("alternate screen: %v, cursor hidden: %v: %q", e.IsAltScreen(), e.CursorHidden(),
			shown)
	}
	if is != was {
		t.Errorf("the terminal's modes were %+v and are %+v", was, is)
	}
}

// TestTopOnTerminal: workers that come and go, a pause of NATS, and keys.
func TestTopOnTerminal(t *testing.T) {
	t.Parallel()
	queue, natsURL := startNATSServer(t)
	servers := []string{"NATS_URL=" + natsURL, "DATABASE_URL=" + pgtest.ForTest(t), "NATS_ADDR="}
	first := start(t, env(servers...), upArgs("--workers=1")...)
	first.ready(t)
	s := shell{dir: t.TempDir(), env: env("NATS_URL="+natsURL, "TERM=xterm-256color")}
	c := s.open(t, "top", "--interval=1s")
	c.sees(t, "workers: 1 serving; version ")
	second := start(t, env(servers...), upArgs("--workers=2")...)
	c.sees(t, "workers: 3 serving; version ")
	second.ready(t)
	second.stop(t)
	c.sees(t, "1 serving, 2 gone")
	c.sees(t, "workers: 1 serving; version ")

	c.press(t, "?")
	c.sees(t, "LANES    how much")
	c.press(t, "?ss")
	c.sees(t, "sort: write/s")
	c.press(t, "p")
	c.sees(t, "paused at")
	c.press(t, "p")
	c.sees(t, "every 1s")

	address := queue.Addr().String()
	queue.Shutdown()
	queue.WaitForShutdown()
	c.sees(t, "NATS is lost since")
	again(t, address)
	c.sees(t, "every 1s")
	c.sees(t, "workers: 1 serving; version ")
	c.press(t, "q")
	if shown, code := c.end(); code != 0 || !strings.Contains(shown, "\x1b[1m") {
		t.Errorf("exit code %d: %q", code, shown)
	}
}

// again starts a NATS server at the address of one that has ended.
func again(t *testing.T, address string) {
	t.Helper()
	_, port, _ := strings.Cut(address, ":")
	var n int
	for _, digit := range port {
		n = 10*n + int(digit-'0')
	}
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: n, NoLog: true, NoSigs: true, Username: "outset", Password: password,
	})
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(time.Minute) {
		t.Fatal("the server did not start again")
	}
}

// TestTopEnds: however it ends the terminal is as before, and without colours it gets none.
func TestTopEnds(t *testing.T) {
	t.Parallel()
	_, natsURL := startNATSServer(t)
	for name, end := range map[string]func(*screen){
		"q":       func(c *screen) { c.press(t, "q") },
		"Ctrl-C":  func(c *screen) { c.press(t, "\x03") },
		"SIGINT":  func(c *screen) { _ = c.Process.Signal(syscall.SIGINT) },
		"SIGTERM": func(c *screen) { _ = c.Process.Signal(syscall.SIGTERM) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := shell{dir: t.TempDir(), env: env("NATS_URL="+natsURL, "TERM=xterm", "NO_COLOR=yes")}
			ours, theirs := terminal(t)
			was := modes(t, theirs)
			c := s.openOn(t, ours, theirs, "top", "--interval=1s")
			c.sees(t, "no worker answers")
			end(c)
			_ = c.Wait()
			is := modes(t, c.tty)
			shown, code := c.end()
			if code != 0 || strings.Contains(shown, "\x1b[1m") || strings.Contains(shown, "\x1b[2m") {
				t.Errorf("exit code %d: %q", code, shown)
			}
			wantRestored(t, shown, was, is)
		})
	}
}

// panics is the environment variable that makes TestTopPanics the program that does.
const panics = "TOP_PANICS"

// TestTopPanics: neither does a panic leave the terminal in disorder.
func TestTopPanics(t *testing.T) {
	if os.Getenv(panics) != "" {
		asker := &top.Asker{Dial: func() (*nats.Conn, error) { panic("on purpose") }}
		_, err := tea.NewProgram(top.NewScreen(t.Context(), asker, "", time.Second, false)).Run()
		if errors.Is(err, tea.ErrProgramPanic) {
			os.Exit(panicked) //nolint:revive // goroutines are left of a program that has panicked
		}
		t.Fatal(err)
	}
	t.Parallel()
	// bubbletea closes the reader of the terminal of a program that panics while it may still read.
	s := shell{
		dir: t.TempDir(),
		env: append(os.Environ(), panics+"=1", "TERM=xterm", "GORACE=exitcode=0"),
	}
	ours, theirs := terminal(t)
	was := modes(t, theirs)
	c := s.openOn(t, ours, theirs, "-test.run=^TestTopPanics$")
	_ = c.Wait()
	is := modes(t, c.tty)
	shown, code := c.end()
	// Run may return before bubbletea has printed the panic.
	if code != panicked {
		t.Errorf("exit code %d: %q", code, shown)
	}
	wantRestored(t, shown, was, is)
}

// panicked is the exit code of a program whose panic was caught.
const panicked = 42
