package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/outset-settings/outset/internal/localpg/pgtest"
	"github.com/outset-settings/outset/internal/testlog"
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

// screen is a command that runs in a terminal.
type screen struct {
	*exec.Cmd
	shown      testlog.Buffer
	ours, tty  *os.File
	background sync.WaitGroup
}

func (s shell) open(t *testing.T, args ...string) *screen {
	t.Helper()
	ours, theirs := terminal(t)
	return s.openOn(t, ours, theirs, args...)
}

func (s shell) openOn(t *testing.T, ours, theirs *os.File, args ...string) *screen {
	t.Helper()
	c := &screen{Cmd: exec.CommandContext(t.Context(), os.Args[0], args...), ours: ours, tty: theirs}
	// It ends with an error when the other end is closed.
	c.background.Go(func() { _, _ = io.Copy(&c.shown, c.ours) })
	c.Dir, c.Env, c.Stdin, c.Stdout, c.Stderr = s.dir, s.env, c.tty, c.tty, c.tty
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}

// end returns all that the command has shown, and its exit code.
func (c *screen) end() (shown string, code int) {
	_ = c.Wait()
	_ = c.tty.Close()
	c.background.Wait()
	return strings.ReplaceAll(c.shown.String(), "\r\n", "\n"), c.ProcessState.ExitCode()
}

// answer waits for a question and types an answer.
func (c *screen) answer(t *testing.T, question, answer string) {
	t.Helper()
	eventually(t, question, func() bool { return strings.HasSuffix(c.shown.String(), question) })
	if _, err := io.WriteString(c.ours, answer+"\n"); err != nil {
		t.Error(err)
	}
}

// onTerminal runs outset in a terminal and returns all that it shows there.
func (s shell) onTerminal(t *testing.T, args ...string) string {
	t.Helper()
	shown, code := s.open(t, args...).end()
	if code != 0 {
		t.Errorf("outset %s: exit code %d: %s", args, code, shown)
	}
	return shown
}

// TestTerminal: on a terminal commands print text by default, and long ones show their progress.
func TestTerminal(t *testing.T) {
	t.Parallel()
	p := start(t, env("DATABASE_URL="+pgtest.ForTest(t)), upArgs("--workers=1")...)
	s := newShell(t, p.ready(t).http)
	for _, c := range []struct{ args, want string }{
		{"set 42 theme dark", "42: version 1\n"},
		{"get 42", "{\n  \"theme\": \"dark\"\n}\n"},
		{"get 42 --json", `{"theme":"dark"}` + "\n"},
		{"get 42 theme --raw", "dark\n"},
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
	s.wantColours(t)
	s.wantQuestion(t)
}

// wantColours: a terminal that has colours gets some, unless NO_COLOR is set.
func (s shell) wantColours(t *testing.T) {
	t.Helper()
	for _, c := range []struct {
		env     string
		colours bool
	}{
		{"TERM=xterm", true},
		{"TERM=dumb", false},
		{"TERM=", false},
		{"NO_COLOR=1", false},
		{"NO_COLOR=", true},
	} {
		coloured := s
		coloured.env = append(slices.Clip(s.env), "TERM=xterm", c.env)
		for _, args := range []string{"get 42", "history 42"} {
			shown := coloured.onTerminal(t, strings.Fields(args)...)
			if strings.Contains(shown, "\x1b[") != c.colours {
				t.Errorf("%s outset %s: %q", c.env, args, shown)
			}
		}
		shown, _ := coloured.open(t, "get", "42", "none").end()
		if strings.Contains(shown, "\x1b[1;31moutset:\x1b[0m not found") != c.colours {
			t.Errorf("%s: %q", c.env, shown)
		}
	}
}

// wantQuestion: an erasure asks first, and only yes means yes.
func (s shell) wantQuestion(t *testing.T) {
	t.Helper()
	for _, c := range []struct {
		answer, want string
		code         int
	}{
		{"", "nothing was erased", exitOther},
		{"no", "nothing was erased", exitOther},
		{"y", "42: version 4", 0},
	} {
		erasing := s.open(t, "delete", "42", "--all")
		erasing.answer(t, `Erase the settings and the history of user "42" for good? [y/N] `, c.answer)
		if shown, code := erasing.end(); code != c.code || !strings.Contains(shown, c.want) {
			t.Errorf("%q: exit code %d: %s", c.answer, code, shown)
		}
	}
}

// TestEditAgain: on a terminal a text that can't be saved is edited again, and one that somebody
// else was faster than is saved over theirs.
func TestEditAgain(t *testing.T) {
	t.Parallel()
	p := start(t, env("DATABASE_URL="+pgtest.ForTest(t)), upArgs("--workers=1")...)
	s := newShell(t, p.ready(t).http)
	s.onTerminal(t, "set", "42", `{"n":0}`)
	// Each time that it runs the editor does something else.
	editor := filepath.Join(s.dir, "editor")
	if err := os.WriteFile(editor, []byte(`echo >> runs
case $(wc -l < runs) in
1) sed -i 's/0/one/' "$1" ;;
2) sed -i 's/one/1/' "$1"; outset set 42 theirs 2 ;;
3) sed -i 's/1/3/' "$1" ;;
esac
`), 0o600); err != nil {
		t.Fatal(err)
	}
	s.env = append(s.env, "EDITOR=sh "+editor, "TMPDIR="+s.dir)
	editing := s.open(t, "edit", "42")
	editing.answer(t, "Edit it again? [Y/n] ", "")
	editing.answer(t, "Edit yours again, to save it over version 2? [Y/n] ", "y")
	if shown, code := editing.end(); code != 0 || !strings.Contains(shown, "42: version 3") {
		t.Errorf("exit code %d: %s", code, shown)
	}
	if shown := s.onTerminal(t, "get", "42"); shown != "{\n  \"n\": 3\n}\n" {
		t.Error(shown)
	}
	if left, _ := filepath.Glob(filepath.Join(s.dir, "outset-edit-*")); len(left) > 0 {
		t.Error("left:", left)
	}
}

// TestImportProgress: the bar of an import shows what the service has answered, not what was sent.
func TestImportProgress(t *testing.T) {
	t.Parallel()
	goOn := make(chan struct{})
	release := sync.OnceFunc(func() { close(goOn) })
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/x-ndjson")
		for line := 1; line <= 10; line++ {
			fmt.Fprintf(w, `{"line":%d,"user":"1","status":200,"version":1}`+"\n", line)
			if line == 3 {
				_ = http.NewResponseController(w).Flush()
				<-goOn
			}
		}
		fmt.Fprintln(w, `{"end":true,"lines":10}`)
	}))
	t.Cleanup(server.Close)
	t.Cleanup(release)
	s := newShell(t, server.URL)
	lines := strings.Repeat(`{"user":"1","settings":{}}`+"\n", 10)
	if err := os.WriteFile(filepath.Join(s.dir, "a"), []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	importing := s.open(t, "import", "a")
	eventually(t, "the bar shows three lines", func() bool {
		return strings.Contains(importing.shown.String(), "importing, 3 lines imported, 0 failed  30%")
	})
	if shown := importing.shown.String(); strings.Contains(shown, "100%") {
		t.Error(shown)
	}
	release()
	if shown, code := importing.end(); code != 0 ||
		!strings.HasSuffix(shown, "\r10 lines imported, 0 failed\n") {
		t.Errorf("exit code %d: %q", code, shown)
	}
}
