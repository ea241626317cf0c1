package watch

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// wrapper is a connection as the API accepts it.
type wrapper struct{ net.Conn }

func (w wrapper) NetConn() net.Conn { return w.Conn }

// TestSocketOptions: the kernel is told how long to try, and how much to keep. It doubles the
// latter for its own use (socket(7)).
func TestSocketOptions(t *testing.T) {
	t.Parallel()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	closeAfterSilence(wrapper{conn}, 30*time.Second)
	limitBuffer(wrapper{conn})
	raw, err := conn.(*net.TCPConn).SyscallConn() //nolint:errcheck // a panic tells as much
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) {
		ms, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
		if err != nil || ms != 30_000 {
			t.Errorf("%d ms, %v", ms, err)
		}
		size, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF)
		if err != nil || size != 2*sendBuffer {
			t.Errorf("%d bytes, %v", size, err)
		}
	}); err != nil {
		t.Error(err)
	}
}
