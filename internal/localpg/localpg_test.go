//go:build unix

package localpg_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/outset-settings/outset/internal/localpg"
	"github.com/outset-settings/outset/internal/localpg/pgtest"
)

func TestDataOutliveTheServer(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(pgtest.TempDir(t), "not", "there yet")
	s := start(t, localpg.Options{Dir: dir})
	if s.Err() != nil {
		t.Error(s.Err())
	}
	query(t, s.URL(), "create table kept (word text)", "insert into kept values ('日本')")
	stop(t, s)
	if s.Err() != nil {
		t.Error("stopped as asked, yet:", s.Err())
	}
	select {
	case <-s.Done():
	default:
		t.Error("Done is open after Stop")
	}
	s = start(t, localpg.Options{Dir: dir})
	if got := query(t, s.URL(), "select word from kept"); got != "日本" {
		t.Errorf("got %q", got)
	}
}

func TestServerIsAsPromised(t *testing.T) {
	t.Parallel()
	s := start(t, localpg.Options{
		Dir: pgtest.TempDir(t), Settings: map[string]string{"work_mem": "5MB"},
	})
	for name, want := range map[string]string{
		"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "data_checksums": "on",
		"server_encoding": "UTF8", "timezone": "UTC", "listen_addresses": "", "work_mem": "5MB",
	} {
		if got := query(t, s.URL(), "show "+name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	data := query(t, s.URL(), "show data_directory")
	if info, err := os.Stat(data); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v %v, want 0700", info.Mode(), err)
	}
	if group, err := syscall.Getpgid(s.PID()); err != nil || group != s.PID() {
		t.Errorf("process group %d, %v: Ctrl-C at the terminal would reach the server", group, err)
	}
}

func TestDatabases(t *testing.T) {
	t.Parallel()
	s := start(t, localpg.Options{Dir: initialized(t), Throwaway: true})
	var all sync.WaitGroup
	for i := range 8 { // at once: they must not refuse one another
		all.Go(func() {
			if _, err := s.Database(t.Context(), `odd "name" `+strconv.Itoa(i)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if _, err := s.Database(t.Context(), `odd "name" 3`); err == nil {
		t.Error("a database was created twice")
	}
	for range 2 {
		if err := s.Drop(t.Context(), `odd "name" 3`); err != nil {
			t.Error(err)
		}
	}
}

func TestSecondOwnerIsRefused(t *testing.T) {
	t.Parallel()
	dir := initialized(t)
	s := start(t, localpg.Options{Dir: dir})
	_, err := localpg.Start(t.Context(), localpg.Options{Dir: dir})
	if !errors.Is(err, localpg.ErrInUse) || !strings.Contains(err.Error(),
		strconv.Itoa(os.Getpid())) {
		t.Errorf("got %v, want ErrInUse and our process id", err)
	}
	if err := localpg.Remove(t.Context(), dir); !errors.Is(err, localpg.ErrInUse) {
		t.Errorf("Remove: got %v, want ErrInUse", err)
	}
	query(t, s.URL(), "select 'undisturbed'")
}

func TestLongPath(t *testing.T) {
	t.Parallel()
	// The comma is there because pgx splits a list of hosts at it.
	dir := filepath.Join(pgtest.TempDir(t), strings.Repeat("long, long/", 20))
	initialize(t, dir)
	s := start(t, localpg.Options{Dir: dir})
	socket := query(t, s.URL(), "show unix_socket_directories")
	stop(t, s)
	if _, err := os.Stat(strings.Trim(socket, `"`)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket's directory %s is left: %v", socket, err)
	}
}

func TestDeathIsNoticed(t *testing.T) {
	t.Parallel()
	dir := initialized(t)
	s := start(t, localpg.Options{Dir: dir})
	query(t, s.URL(), "create table kept (word text)", "insert into kept values ('still here')")
	if err := syscall.Kill(s.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-s.Done()
	if err := s.Err(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("got %v", err)
	}
	stop(t, s)
	s = start(t, localpg.Options{Dir: dir}) // beside children that may still be leaving
	if got := query(t, s.URL(), "select word from kept"); got != "still here" {
		t.Errorf("got %q", got)
	}
}

func TestStopWithoutTime(t *testing.T) {
	t.Parallel()
	dir := initialized(t)
	s := start(t, localpg.Options{Dir: dir})
	query(t, s.URL(), "create table kept (word text)", "insert into kept values ('still here')")
	// A stopped postmaster cannot shut down fast.
	if err := syscall.Kill(s.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	result := make(chan error)
	go func() { result <- s.Stop(ctx) }()
	eventually(t, "the server was told to quit", func() bool { return quitPending(s.PID()) })
	if err := syscall.Kill(s.PID(), syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the reason", err)
	}
	s = start(t, localpg.Options{Dir: dir})
	if got := query(t, s.URL(), "select word from kept"); got != "still here" {
		t.Errorf("got %q", got)
	}
}

func TestCancelledStart(t *testing.T) {
	t.Parallel()
	dir := pgtest.TempDir(t)
	for wait := time.Millisecond; ; wait *= 4 {
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		s, err := localpg.Start(ctx, localpg.Options{Dir: dir})
		cancel()
		if err == nil {
			stop(t, s)
			break
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after %v: %v", wait, err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "data.init-*")); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file, content string
		settings      map[string]string
		want          string
	}{
		"another version's data": {
			file: "data/PG_VERSION", content: "9\n",
			want: "of version 9, the version that made the data; install it",
		},
		"not a version": {file: "data/PG_VERSION", content: "x\n", want: "PG_VERSION"},
		"not a data directory": {
			file: "data/thesis.txt",
			want: "not a PostgreSQL data directory",
		},
		"a directory of a file": {file: "data", want: "not a directory"},
		"a setting's typo": {
			file: "other", settings: map[string]string{"fsyncc": "on"},
			want: "unrecognized configuration parameter",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := pgtest.TempDir(t)
			if c.settings != nil { // which are not read before there are data
				initialize(t, dir)
			}
			path := filepath.Join(dir, c.file)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := localpg.Start(t.Context(), localpg.Options{Dir: dir, Settings: c.settings})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
			if b, err := os.ReadFile(path); err != nil || string(b) != c.content {
				t.Errorf("%s was touched: %q, %v", path, b, err)
			}
		})
	}
}
