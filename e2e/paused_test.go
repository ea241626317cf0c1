package e2e

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// TestWorkerPausedPastDeadline: the only worker is stopped, and goes on when the deadline of the
// writes that were sent to it meanwhile has passed. It applies none of them.
func TestWorkerPausedPastDeadline(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	s := newSystem(ctx, t)
	worker := s.newWorker()
	_, base := s.api(s.bin, "REQUEST_TIMEOUT=1s")
	s.do(worker.signal(syscall.SIGSTOP))
	const writes = 64
	var (
		sending sync.WaitGroup
		unknown atomic.Int32
	)
	for i := range writes {
		c := call{
			method: http.MethodPut, path: settingsOf(userID(i)), body: `{"n":1}`,
			header: []string{isJSON},
		}
		if i%2 == 0 { // another way to the database
			c.method, c.header = http.MethodPatch, []string{isMerge}
		}
		sending.Go(func() {
			a, err := s.send(base, c)
			switch {
			case err != nil:
				t.Error(err)
			case a.status == http.StatusGatewayTimeout:
				unknown.Add(1)
			case a.status != http.StatusServiceUnavailable:
				t.Errorf("while the worker is stopped: %v", a)
			}
		})
	}
	sending.Wait()
	s.do(worker.signal(syscall.SIGCONT))
	s.do(worker.terminate(ctx)) // it ends what it was sent
	t.Logf("of %d writes %d were answered 504, the others 503", writes, unknown.Load())
	if unknown.Load() == 0 {
		t.Error("none was sent to the worker")
	}
	rows, err := query(ctx, s.database, selectLog)
	s.do(err)
	for _, r := range rows {
		t.Errorf("%s has version %d", r.User, r.Version)
	}
}
