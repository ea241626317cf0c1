package api_test

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/outset-settings/outset/internal/api"
)

// fullListener has no room for its first connections.
type fullListener struct {
	net.Listener

	refusals []error
}

func (l *fullListener) Accept() (net.Conn, error) {
	if len(l.refusals) == 0 {
		return nil, net.ErrClosed
	}
	err := l.refusals[0]
	l.refusals = l.refusals[1:]
	if err == nil {
		c, _ := net.Pipe()
		return c, nil
	}
	return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", err)}
}

// TestAcceptOutOfFiles: an API that has run out of files accepts connections again when it has
// some.
func TestAcceptOutOfFiles(t *testing.T) {
	t.Parallel()
	l := api.NewListener(&fullListener{refusals: []error{syscall.EMFILE, syscall.ENFILE, nil}})
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a closed listener: %v", err)
	}
}
