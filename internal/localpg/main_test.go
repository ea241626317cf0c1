//go:build unix

package localpg_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/outset-settings/outset/internal/localpg"
	"github.com/outset-settings/outset/internal/localpg/pgtest"
	"github.com/outset-settings/outset/internal/testwait"
)

// childDir makes this test binary an owner to be killed: it starts a server there and waits.
const childDir = "LOCALPG_TEST_CHILD_DIR"

// childOrphans makes that owner's server outlive it, as on systems without death signals.
const childOrphans = "LOCALPG_TEST_CHILD_ORPHANS"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		owner(dir)
		return
	}
	pgtest.Main(removingTemplate{m})
}

// template returns a directory with the data of a server that was started once. The tests copy it:
// an initdb for each of them would take most of their time.
var template = sync.OnceValues(func() (dir string, err error) {
	if dir, err = pgtest.MkdirTemp(); err != nil {
		return "", err
	}
	templateDir = dir
	s, err := localpg.Start(context.Background(), localpg.Options{Dir: dir})
	if err != nil {
		return "", err
	}
	return dir, s.Stop(context.Background())
})

var templateDir string // to be removed after the tests

type removingTemplate struct{ m *testing.M }

func (r removingTemplate) Run() int {
	defer func() { _ = os.RemoveAll(templateDir) }()
	return r.m.Run()
}

// initialized returns a directory with data, as a server that was stopped leaves it.
func initialized(t *testing.T) string {
	t.Helper()
	dir := pgtest.TempDir(t)
	initialize(t, dir)
	return dir
}

// initialize copies the template to dir.
func initialize(t *testing.T, dir string) {
	t.Helper()
	from, err := template()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cp := exec.CommandContext(t.Context(), "cp", "-pR", filepath.Join(from, "data"), dir)
	if out, err := cp.CombinedOutput(); err != nil {
		t.Fatalf("cp: %v\n%s", err, out)
	}
}

func owner(dir string) {
	if os.Getenv(childOrphans) != "" {
		localpg.WithoutDeathSignals()
	}
	s, err := localpg.Start(context.Background(), localpg.Options{Dir: dir})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.PID(), s.URL())
	_, _ = io.Copy(io.Discard, os.Stdin) // until it is killed, or the test ends
	_ = s.Stop(context.Background())
}

// startOwner runs a child that owns a server in dir.
func startOwner(t *testing.T, dir string, env ...string) (child *exec.Cmd, stdout *bufio.Reader) {
	t.Helper()
	child = exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), append(env, childDir+"="+dir)...)
	child.Stderr = os.Stderr
	if _, err := child.StdinPipe(); err != nil { // held open until Wait
		t.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	return child, bufio.NewReader(out)
}

// readServer waits for the child's server.
func readServer(t *testing.T, stdout *bufio.Reader) (pid int, url string) {
	t.Helper()
	line, err := stdout.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	first, url, _ := strings.Cut(strings.TrimSpace(line), " ")
	if pid, err = strconv.Atoi(first); err != nil {
		t.Fatal(line)
	}
	return pid, url
}

func kill(t *testing.T, child *exec.Cmd) {
	t.Helper()
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // "signal: killed"
}

// start starts a server that the test need not stop.
func start(t *testing.T, o localpg.Options) *localpg.Server {
	t.Helper()
	s, err := localpg.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
	return s
}

func stop(t *testing.T, s *localpg.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// query runs statements on a connection of their own and returns the last one's first column.
func query(t *testing.T, url string, statements ...string) (result string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	for _, sql := range statements {
		rows, err := conn.Query(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			if err := rows.Scan(&result); err != nil {
				t.Fatal(err)
			}
		}
		if rows.Err() != nil {
			t.Fatal(sql, rows.Err())
		}
	}
	return result
}

// eventually waits until the condition holds. Only a failure takes the two minutes.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	testwait.Until(t, 2*time.Minute, what, condition)
}

func itoa(n int) string { return strconv.Itoa(n) }
