package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/outset-settings/outset/internal/localpg"
	"github.com/outset-settings/outset/internal/localpg/pgtest"
)

// TestFullDisk: when the file system of Postgres is full, writes are refused or doubtful and reads
// are served. Nothing is lost, and once there is space again no request fails.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	s := emptySystem(ctx, t)
	disk := s.smallPostgres()
	s.migrate(s.bin)
	s.newWorker()
	s.newWorker()
	_, base := s.api(s.bin, "REQUEST_TIMEOUT=5s")
	_, err := s.want(base, call{
		method: http.MethodPut, path: settingsOf("reader"), body: `{"a":1}`,
		header: []string{isJSON},
	}, http.StatusOK, 1)
	s.do(err)

	l := startLoad(t, base, "undisturbed")
	s.do(l.settle(ctx, 300))
	l.outagePhase("full")
	ballast := filepath.Join(disk, "ballast")
	s.do(fill(ballast))
	s.do(waitFor(ctx, "a refusal", func(context.Context) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.phases[1].lost == 0 {
			return errors.New("all are served")
		}
		return nil
	}))
	s.do(l.settle(ctx, 2*clients))
	for range 50 {
		s.do(s.has(base, "reader", 1, `{"a":1}`))
	}
	s.do(os.Remove(ballast))
	l.outagePhase("space again")
	s.do(l.recovers(ctx))
	l.phase("as before")
	s.do(l.settle(ctx, 300))
	l.finish()
	if err := l.report(t); err != nil {
		t.Error(err)
	}
	s.verify(l)
}

// smallPostgres replaces the database by one of a server on a small file system, and returns where
// that is mounted.
func (s *system) smallPostgres() (disk string) {
	s.t.Helper()
	disk = pgtest.TempDir(s.t)
	err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=160m,mode=0755")
	if errors.Is(err, syscall.EPERM) {
		s.t.Skip("NOT TESTED: a full disk; only root may mount a file system, and not in each container")
	}
	s.do(err)
	s.t.Cleanup(func() {
		if err := syscall.Unmount(disk, 0); err != nil {
			s.t.Error(err)
		}
	})
	pg, err := localpg.Start(s.ctx, localpg.Options{Dir: filepath.Join(disk, "pg"), Throwaway: true})
	s.do(err)
	s.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := pg.Stop(ctx); err != nil {
			s.t.Error(err)
		}
	})
	s.database = pg.URL()
	pgtest.GiveRoles(s.t, s.database)
	s.workers = pgtest.As(s.t, pgtest.Worker, s.database)
	return disk
}

// fill writes to a file until there is no space left.
func fill(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	for _, size := range []int{1 << 20, 4 << 10} {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			return fmt.Errorf("fill %s: %w", name, err)
		}
	}
	return nil
}
