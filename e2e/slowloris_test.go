package e2e

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestSlowloris: 5,000 connections send a head that never ends, byte by byte. Each is closed when
// the time for a head is over, and no request of others fails.
func TestSlowloris(t *testing.T) {
	t.Parallel()
	const slow = 5000
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil || files.Max < slow+1000 {
		t.Skipf("a process may have %d files (%v)", files.Max, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	s := newSystem(ctx, t)
	s.newWorker()
	_, base := s.api(s.bin, "READ_TIMEOUT=3s")
	l := startLoad(t, base, "undisturbed")
	s.do(l.settle(ctx, 300))

	l.phase("beside slow heads")
	var (
		conns   [slow]net.Conn
		reading sync.WaitGroup
		ended   atomic.Int32
	)
	for i := range conns {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", strings.TrimPrefix(base, "http://"))
		s.do(err)
		t.Cleanup(func() { _ = conn.Close() })
		until, _ := ctx.Deadline()
		s.do(conn.SetDeadline(until))
		_, _ = io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\nX: ")
		conns[i] = conn
		reading.Go(func() {
			_, _ = io.Copy(io.Discard, conn)
			ended.Add(1)
		})
	}
	connected := time.Now()
	for pace := time.Tick(500 * time.Millisecond); ended.Load() < slow; <-pace {
		s.do(ctx.Err())
		for _, conn := range conns {
			_, _ = io.WriteString(conn, "x") // fails where it is closed
		}
	}
	reading.Wait()
	t.Logf("all of %d connections were closed %v after the last was made", slow,
		time.Since(connected))
	l.phase("afterwards")
	s.do(l.settle(ctx, 300))
	l.finish()
	if err := l.report(t); err != nil {
		t.Error(err)
	}
	s.verify(l)
}
