//go:build unix

package localpg

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// install makes a folder with an initdb and a postgres that only know their version.
func install(t *testing.T, root, dir, version string) string {
	t.Helper()
	dir = filepath.Join(root, dir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"initdb", "postgres"} {
		says(t, filepath.Join(dir, name), fmt.Sprintf("%s (PostgreSQL) %s", name, version))
	}
	resolved, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	return resolved
}

// says makes a program that prints a text. Nobody can run what a process that another test forks
// meanwhile holds open for writing.
func says(t *testing.T, program, text string) {
	t.Helper()
	syscall.ForkLock.RLock()
	err := os.WriteFile(program, []byte("#!/bin/sh\necho '"+text+"'\n"), 0o700)
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
}

func TestNoBinaries(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	_, err := finder{root: root}.find(0)
	if !errors.Is(err, ErrNoBinaries) {
		t.Fatal(err)
	}
	for _, want := range []string{"15 or newer", "postgres"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
	install(t, root, "usr/lib/postgresql/14/bin", "14.9 (Debian 14.9-1)")
	_, err = finder{root: root}.find(0)
	if err == nil || !strings.Contains(err.Error(), "found only: PostgreSQL 14 in "+root) {
		t.Errorf("the error does not tell that there is one too old: %v", err)
	}
}

func TestInstallHints(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		goos  string
		major int
		want  string
	}{
		{"linux", 0, "apt-get install postgresql (Debian"},
		{"linux", 0, "dnf install postgresql-server"},
		{"linux", 16, "apt-get install postgresql-16 "},
		{"darwin", 0, "brew install postgresql@17"},
		{"darwin", 16, "brew install postgresql@16"},
	} {
		if got := installHint(c.goos, c.major); !strings.Contains(got, c.want) {
			t.Errorf("%s %d: %q is not in %q", c.goos, c.major, c.want, got)
		}
	}
}

func TestChoiceOfBinaries(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	nine := install(t, root, "usr/lib/postgresql/9.6/bin", "9.6.24")
	sixteen := install(t, root, "usr/lib/postgresql/16/bin", "16.4")
	brew := install(t, root, "opt/homebrew/opt/postgresql@17/bin", "17.1 (Homebrew)")
	beta := install(t, root, "usr/pgsql-18/bin", "18beta1")
	inPath := install(t, root, "somewhere/bin", "15.18 (Debian 15.18-0+deb12u1)")
	links := filepath.Join(root, "links")
	if err := os.Mkdir(links, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(sixteen, "initdb"),
		filepath.Join(links, "initdb")); err != nil {
		t.Fatal(err)
	}
	configured := filepath.Join(root, "configured")
	if err := os.Mkdir(configured, 0o700); err != nil {
		t.Fatal(err)
	}
	says(t, filepath.Join(configured, "pg_config"), brew)
	for name, c := range map[string]struct {
		path  string
		major int
		want  string
	}{
		"the newest":          {"", 0, beta},
		"PATH first":          {inPath, 0, inPath},
		"not one too old":     {nine, 0, beta},
		"a link to initdb":    {links, 0, sixteen},
		"pg_config":           {configured, 0, brew},
		"the data's version":  {inPath, 16, sixteen},
		"data of an old one":  {"", 9, nine},
		"no relative folders": {".", 0, beta},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := finder{path: c.path, root: root}.find(c.major)
			if got != c.want || err != nil {
				t.Errorf("got %q, %v; want %q", got, err, c.want)
			}
		})
	}
}
