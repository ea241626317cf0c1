package program

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/internal/testlog"
)

// TestAnew: after an error that NATS takes for final the program goes on with a new connection.
func TestAnew(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	var connections atomic.Int32
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // the test is over
			}
			n := connections.Add(1)
			go func() {
				defer conn.Close()
				fmt.Fprint(conn, `INFO {"server_id":"x","version":"2.15.0","max_payload":1048576}`+"\r\n")
				for lines := bufio.NewScanner(conn); lines.Scan(); {
					if !strings.HasPrefix(lines.Text(), "PING") {
						continue
					}
					fmt.Fprint(conn, "PONG\r\n")
					if n == 1 {
						fmt.Fprint(conn, "-ERR 'Maximum Control Line Exceeded'\r\n")
						return
					}
				}
			}()
		}
	}()
	var log testlog.Buffer
	ctx, cancel := context.WithCancel(t.Context())
	failure := errors.New("stopped")
	runs := 0
	err = Anew(ctx, log.Logger(), func(ctx context.Context, whenClosed nats.Option) error {
		nc, err := NATS{URL: "nats://" + listener.Addr().String()}.Connect("test", log.Logger(),
			whenClosed)
		if err != nil {
			return err
		}
		defer nc.Close()
		if runs++; runs == 2 {
			eventually(t, "it is connected", nc.IsConnected)
			cancel()
		}
		<-ctx.Done()
		return failure
	})
	if !errors.Is(err, failure) || runs != 2 {
		t.Errorf("%v after %d runs", err, runs)
	}
	if !strings.Contains(log.String(), "begins anew") {
		t.Errorf("the log: %s", &log)
	}
}

// TestNotAnew: an error of the program's own ends it.
func TestNotAnew(t *testing.T) {
	t.Parallel()
	var log testlog.Buffer
	failure := errors.New("the address is in use")
	if err := Anew(t.Context(), log.Logger(), func(context.Context, nats.Option) error {
		return failure
	}); !errors.Is(err, failure) {
		t.Errorf("got %v", err)
	}
}
