//go:build unix

// Package pgtest gives tests databases of a real PostgreSQL server. One throw-away server per test
// process is started by the first test that asks, and stopped by Main:
//
//	func TestMain(m *testing.M) { pgtest.Main(m) }
//
//	func TestX(t *testing.T) {
//		t.Parallel()
//		url := pgtest.ForTest(t) // a new, empty database
//	}
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/outset-settings/outset/internal/localpg"
)

// timeout is far above what a start or a stop takes on the slowest machine that runs tests.
const timeout = 2 * time.Minute

// shared is the server of this test process.
var shared struct {
	once   sync.Once
	main   bool
	dir    string
	server *localpg.Server
	err    error
	count  atomic.Int64

	prepared    sync.Once // makes the template of ForTestFrom
	preparedErr error
}

const template = "prepared"

// Main runs the tests, stops the server, fails on goroutines that were left, and exits. It takes
// the place of goleak.VerifyTestMain. The tests are a *testing.M, or one with something around it
// that needs databases itself.
func Main(m interface{ Run() int }, options ...goleak.Option) {
	os.Exit(run(m.Run, options))
}

func run(tests func() int, options []goleak.Option) int {
	shared.main = true
	code := tests()
	if err := stop(); err != nil {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
		code = max(code, 1)
	}
	if code != 0 {
		return code // a failed test may leave goroutines; its own message matters
	}
	if err := goleak.Find(options...); err != nil {
		fmt.Fprintln(os.Stderr, "pgtest: goroutines left by the tests:", err)
		return 1
	}
	return 0
}

// IgnoreServer lets goleak in a single test ignore the server, which runs until the last test.
func IgnoreServer() goleak.Option {
	return goleak.IgnoreAnyFunction(
		"github.com/outset-settings/outset/internal/localpg.(*process).live",
	)
}

// ForTest returns the connection string of a new, empty database (UTF8, locale C). It is dropped,
// with the sessions it still has, at the end of the test.
func ForTest(t testing.TB) string {
	t.Helper()
	startOnce(t)
	return create(t, shared.server.Database)
}

// ForTestFrom is ForTest with a copy of a database that prepare has filled. prepare is called once
// in a test process, which has only one, and must leave no session in the database.
func ForTestFrom(t testing.TB, prepare func(ctx context.Context, url string) error) string {
	t.Helper()
	startOnce(t)
	shared.prepared.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		url, err := shared.server.Database(ctx, template)
		if err == nil {
			err = prepare(ctx, url)
		}
		shared.preparedErr = err
	})
	if shared.preparedErr != nil {
		t.Fatal(errors.Join(shared.preparedErr, shared.server.Err()))
	}
	return create(t, func(ctx context.Context, name string) (string, error) {
		return shared.server.Copy(ctx, name, template)
	})
}

func startOnce(t testing.TB) {
	t.Helper()
	if !shared.main {
		t.Fatal("pgtest: the package's TestMain must call pgtest.Main, else nobody stops the server")
	}
	shared.once.Do(start)
	if shared.err != nil {
		t.Fatal(shared.err)
	}
}

func create(t testing.TB, database func(ctx context.Context, name string) (string, error)) string {
	t.Helper()
	name := databaseName(t.Name(), shared.count.Add(1))
	url, err := database(t.Context(), name)
	if err != nil {
		t.Fatal(errors.Join(err, shared.server.Err()))
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		if err := shared.server.Drop(ctx, name); err != nil {
			t.Error(errors.Join(err, shared.server.Err()))
		}
	})
	return url
}

// Connect returns a plain connection, which is closed at the end of the test.
func Connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// MkdirTemp makes a directory that the user who runs PostgreSQL can enter when the tests run as
// root. It is in memory if the system has enough of that. The caller removes it.
func MkdirTemp() (string, error) { return makeDir(append(memory(), os.TempDir())[0], "outset-test-") }

// TempDir is MkdirTemp for one test, at whose end it is removed.
func TempDir(t testing.TB) string {
	t.Helper()
	dir, err := MkdirTemp()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// serverPrefix marks the directories that sweep may remove.
const serverPrefix = "outset-pgtest-"

func makeDir(parent, prefix string) (string, error) {
	dir, err := os.MkdirTemp(parent, prefix)
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755) //nolint:gosec // what is secret in it is private by itself
}

func start() {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	// Only root may be able to enter TMPDIR; anybody can enter /tmp.
	for _, parent := range append(memory(), os.TempDir(), "/tmp") {
		sweep(ctx, parent)
		if shared.dir, shared.err = makeDir(parent, serverPrefix); shared.err != nil {
			continue
		}
		shared.server, shared.err = localpg.Start(ctx, localpg.Options{
			Dir: shared.dir, Throwaway: true,
		})
		if !errors.Is(shared.err, localpg.ErrUnreachable) {
			return
		}
		_ = os.RemoveAll(shared.dir)
	}
}

func stop() error {
	var err error
	if shared.server != nil {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		err = shared.server.Stop(ctx)
	}
	if shared.dir != "" {
		err = errors.Join(err, os.RemoveAll(shared.dir))
	}
	return err
}

// databaseName keeps the test's name readable in pg_stat_activity, in PostgreSQL's 63 bytes.
func databaseName(test string, n int64) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '_'
	}, test)
	suffix := fmt.Sprintf("_%d", n)
	return clean[:min(len(clean), 63-len(suffix))] + suffix
}

// sweep removes the directories of test processes that were killed. Those of living ones are
// locked, but for the moment between their making and their locking.
func sweep(ctx context.Context, parent string) {
	const older = time.Minute
	// a TMPDIR with *? is not swept
	dirs, _ := filepath.Glob(filepath.Join(parent, serverPrefix+"*"))
	for _, dir := range dirs {
		info, err := os.Lstat(dir)
		if err != nil || time.Since(info.ModTime()) < older {
			continue
		}
		// Anybody may make such a directory in /tmp. Only our own are removed.
		if st, ok := info.Sys().(*syscall.Stat_t); ok && int64(st.Uid) == int64(os.Geteuid()) {
			_ = localpg.Remove(ctx, dir)
		}
	}
}
