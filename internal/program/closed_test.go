package program

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/outset-settings/outset/internal/testlog"
)

// TestClosedForGood: after an error that NATS takes for final the program's context ends, and
// says why. After a call of Close it does not.
func TestClosedForGood(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return // the test is over
		}
		defer conn.Close()
		fmt.Fprint(conn, `INFO {"server_id":"x","version":"2.15.0","max_payload":1048576}`+"\r\n")
		for lines := bufio.NewScanner(conn); lines.Scan(); {
			if strings.HasPrefix(lines.Text(), "PING") {
				fmt.Fprint(conn, "PONG\r\n-ERR 'Maximum Payload Violation'\r\n")
			}
		}
	}()
	var log testlog.Buffer
	ctx, whenClosed := UntilClosed(t.Context())
	nc, err := NATS{URL: "nats://" + listener.Addr().String()}.Connect("test", log.Logger(),
		whenClosed)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	<-ctx.Done()
	if err := WhyClosed(ctx); !errors.Is(err, errClosed) ||
		!strings.Contains(err.Error(), "Payload") {
		t.Errorf("WhyClosed: %v", err)
	}
}

func TestClosedByUs(t *testing.T) {
	t.Parallel()
	addr := freeAddr(t)
	startServer(t, addr)
	var log testlog.Buffer
	parent, cancel := context.WithCancel(t.Context())
	ctx, whenClosed := UntilClosed(parent)
	nc := connect(t, addr, &log, whenClosed)
	nc.Close()
	if ctx.Err() != nil {
		t.Errorf("the context ended: %v", context.Cause(ctx))
	}
	cancel()
	if err := WhyClosed(ctx); err != nil {
		t.Errorf("WhyClosed: %v", err)
	}
}
