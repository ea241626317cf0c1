//go:build unix

package localpg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// minMajor is the oldest PostgreSQL that Outset's schema is tested with.
const minMajor = 15

// ErrNoBinaries says that the machine has no PostgreSQL server that can be used.
var ErrNoBinaries = errors.New("no usable PostgreSQL server found")

// Binaries returns the folder of a usable pair of initdb and postgres: that of PATH if it has one,
// else that of pg_config, else the newest in the folders of the distributions and of Homebrew. The
// error says which package to install. deploy/need-postgres.sh searches the same folders.
func Binaries() (string, error) { return finder{path: os.Getenv("PATH"), root: "/"}.find(0) }

// finder searches for binaries. The tests give it a root of their own.
type finder struct{ path, root string }

// patterns are the folders outside of PATH in which packages put their servers, because several
// majors may be installed side by side: Debian, PGDG on Fedora and RHEL, Alpine, SUSE, Homebrew on
// both kinds of Mac, Postgres.app, FreeBSD.
var patterns = []string{
	"usr/lib/postgresql/*/bin",
	"usr/pgsql-*/bin",
	"usr/libexec/postgresql*",
	"usr/lib/postgresql*/bin",
	"opt/homebrew/opt/postgresql*/bin",
	"usr/local/opt/postgresql*/bin",
	"Applications/Postgres.app/Contents/Versions/*/bin",
	"usr/local/pgsql/bin",
}

// find returns the first folder with a server of that major; 0 is any that is new enough.
func (f finder) find(major int) (string, error) {
	var seen []string
	for dir := range f.candidates {
		found, err := majorOf(dir)
		if err != nil {
			seen = append(seen, fmt.Sprintf("%s: %v", dir, err))
			continue
		}
		if found == major || major == 0 && found >= minMajor {
			return dir, nil
		}
		seen = append(seen, fmt.Sprintf("PostgreSQL %d in %s", found, dir))
	}
	want := major
	what := strconv.Itoa(minMajor) + " or newer"
	if major != 0 {
		what = strconv.Itoa(major) + ", the version that made the data"
	}
	msg := fmt.Sprintf("need initdb and postgres of version %s; install it: %s", what,
		installHint(runtime.GOOS, want))
	if len(seen) > 0 {
		msg += "; found only: " + strings.Join(seen, ", ")
	}
	return "", fmt.Errorf("%w: %s", ErrNoBinaries, msg)
}

func installHint(goos string, major int) string {
	suffix := ""
	if major != 0 {
		suffix = "-" + strconv.Itoa(major)
	}
	if goos == "darwin" {
		return "brew install postgresql@" + strconv.Itoa(cmp.Or(major, 17))
	}
	return "apt-get install postgresql" + suffix +
		" (Debian, Ubuntu), dnf install postgresql-server (Fedora), brew install postgresql@" +
		strconv.Itoa(cmp.Or(major, 17)) + " (macOS)"
}

// candidates yields the folders that hold both programs, best first, each once.
func (f finder) candidates(yield func(string) bool) {
	done := map[string]bool{}
	offer := func(dir string) bool {
		// Links in PATH lead to the folder with the whole installation.
		if target, err := filepath.EvalSymlinks(filepath.Join(dir, "initdb")); err == nil &&
			isProgram(filepath.Join(filepath.Dir(target), "postgres")) {
			dir = filepath.Dir(target)
		}
		if done[dir] || !isProgram(filepath.Join(dir, "initdb")) ||
			!isProgram(filepath.Join(dir, "postgres")) {
			return true
		}
		done[dir] = true
		return yield(dir)
	}
	for _, dir := range filepath.SplitList(f.path) {
		if filepath.IsAbs(dir) && !offer(dir) {
			return
		}
	}
	if dir := f.pgConfig(); dir != "" && !offer(dir) {
		return
	}
	for _, dir := range f.installed() {
		if !offer(dir) {
			return
		}
	}
}

// installed lists the folders of patterns, the newest version first.
func (f finder) installed() []string {
	var dirs []string
	for _, pattern := range patterns {
		found, _ := filepath.Glob(filepath.Join(f.root, pattern)) // the patterns are well-formed
		dirs = append(dirs, found...)
	}
	slices.SortStableFunc(dirs, func(a, b string) int {
		return cmp.Compare(versionInPath(b), versionInPath(a))
	})
	return dirs
}

var number = regexp.MustCompile(`\d+`)

// versionInPath reads 17 from .../postgresql@17/bin; it is 0 for names without a number, such as
// "latest".
func versionInPath(dir string) int {
	for ; dir != "/" && dir != "."; dir = filepath.Dir(dir) {
		if n, err := strconv.Atoi(number.FindString(filepath.Base(dir))); err == nil {
			return n
		}
	}
	return 0
}

func (f finder) pgConfig() string {
	for _, dir := range filepath.SplitList(f.path) {
		if name := filepath.Join(dir, "pg_config"); filepath.IsAbs(dir) && isProgram(name) {
			out, _ := output(name, "--bindir")
			return strings.TrimSpace(out)
		}
	}
	return ""
}

func isProgram(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// majorOf asks the program, since a folder's name may be wrong.
func majorOf(dir string) (int, error) {
	out, err := output(filepath.Join(dir, "postgres"), "--version")
	if err != nil {
		return 0, err
	}
	// "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", "… 18beta1"
	_, version, ok := strings.Cut(out, "(PostgreSQL) ")
	if major, err := strconv.Atoi(number.FindString(version)); ok && err == nil {
		return major, nil
	}
	return 0, fmt.Errorf("cannot read a version in %q", strings.TrimSpace(out))
}

func output(name, arg string) (string, error) {
	// A program says its version within milliseconds, unless it hangs.
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, arg) //nolint:gosec // a PostgreSQL program found on this machine
	cmd.Dir, cmd.Env = "/", environment()
	out, err := cmd.Output()
	return string(out), err
}
