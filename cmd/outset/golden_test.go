//go:build unix

package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/outset-settings/outset/internal/localpg/pgtest"
)

var update = flag.Bool(
	"update", false, "write what the sessions in testdata print, instead of comparing it",
)

// TestSessions runs the sessions in testdata: commands in a shell, what each prints, and its exit
// code if that isn't 0. Each session has a service of its own and an empty working directory.
func TestSessions(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.golden")
	if err != nil || len(files) == 0 {
		t.Fatal("there are no sessions", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".golden"), func(t *testing.T) {
			t.Parallel()
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			shell := newShell(t, "http://127.0.0.1:1") // where nothing listens
			database := "DATABASE_URL=" + pgtest.ForTest(t)
			switch {
			case bytes.HasPrefix(want, []byte("# Without a service.")):
			case bytes.HasPrefix(want, []byte("# With tokens.")):
				const token = "TOKEN=outset_ops_0123456789abcdef0123456789abcdef"
				p := start(t, env(database, "ADMIN_"+token), upArgs("--workers=1", "--auth=required")...)
				shell = newShell(t, p.ready(t).http)
				shell.env = append(shell.env, "OUTSET_"+token)
			default:
				shell = newShell(t, start(t, env(database), upArgs("--workers=1")...).ready(t).http)
			}
			got := shell.replay(t, string(want))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			compare(t, string(want), got)
		})
	}
}

// compare reports the first difference, and its command.
func compare(t *testing.T, want, got string) {
	t.Helper()
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	command := ""
	for i := range max(len(w), len(g)) {
		var a, b string
		if i < len(w) {
			a = w[i]
		}
		if i < len(g) {
			b = g[i]
		}
		if a != b {
			t.Fatalf("%s\nprinted %q\nwant    %q (-update accepts it)", command, b, a)
		}
		if strings.HasPrefix(a, "$ ") {
			command = a
		}
	}
}

// shell runs commands as a person would.
type shell struct {
	dir, server string
	env         []string
}

func newShell(t *testing.T, server string) shell {
	t.Helper()
	bin := t.TempDir()
	if err := os.Symlink(os.Args[0], filepath.Join(bin, "outset")); err != nil {
		t.Fatal(err)
	}
	// Of two variables of the same name the last counts.
	return shell{
		t.TempDir(), server, env("PATH="+bin+":"+os.Getenv("PATH"), "OUTSET_URL="+server, "TZ=UTC",
			"TMPDIR="+t.TempDir()),
	}
}

// replay returns a session with what its commands print now.
func (s shell) replay(t *testing.T, session string) string {
	t.Helper()
	var b strings.Builder
	for line := range strings.Lines(session) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "#"), line == "":
			b.WriteString(line + "\n")
		case strings.HasPrefix(line, "$ "):
			b.WriteString(line + "\n" + s.run(t, strings.TrimPrefix(line, "$ ")))
		}
	}
	return b.String()
}

// run returns the standard output of a command, the lines of its standard error behind "2> ", and
// the exit code.
func (s shell) run(t *testing.T, command string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	c := exec.CommandContext(t.Context(), "sh", "-c", command)
	c.Dir, c.Env, c.Stdout, c.Stderr = s.dir, s.env, &stdout, &stderr
	err := c.Run()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	printed := stdout.String()
	if printed != "" && !strings.HasSuffix(printed, "\n") {
		printed += "[no line break]\n"
	}
	for line := range strings.Lines(stderr.String()) {
		printed += "2> " + strings.TrimSuffix(line, "\n") + "\n"
	}
	if code := c.ProcessState.ExitCode(); code != 0 {
		printed += fmt.Sprintf("[exit %d]\n", code)
	}
	return s.masked(printed)
}

// masks replace what differs from run to run.
var masks = []struct {
	find *regexp.Regexp
	put  string
}{
	{regexp.MustCompile(`\b(\d+)-[0-9a-z]{10}\b`), "$1-MADE"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`), "TIME"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`), "YYYY-MM-DD hh:mm:ss"},
	{regexp.MustCompile(`\(request [A-Za-z0-9]{26}\)`), "(request ID)"},
	{regexp.MustCompile(`outset_[0-9a-f]{16}_[0-9a-f]{64}`), "TOKEN"},
	{regexp.MustCompile(`\b[0-9a-f]{16}\b`), "TOKENID"},
	{regexp.MustCompile(`"cursor":"[^"]+"`), `"cursor":"CURSOR"`},
	{regexp.MustCompile(`/\S*/outset-edit-\d+/`), "TMPDIR/"},
}

func (s shell) masked(text string) string {
	text = strings.ReplaceAll(text, s.server, "http://SERVER")
	for _, m := range masks {
		text = m.find.ReplaceAllString(text, m.put)
	}
	return text
}
