package delay

import (
	"bufio"
	"context"
	"io"
	"net"
	"testing"
	"time"
)

// TestServe: each round trip takes longer, what is sent at once comes in one delay, and all ends
// with the context.
func TestServe(t *testing.T) {
	t.Parallel()
	echo := listen(t)
	go func() {
		for {
			c, err := echo.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	const wait = 30 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	wire, done := listen(t), make(chan error, 1)
	go func() { done <- Serve(ctx, wire, "tcp", echo.Addr().String(), wait) }()

	c, err := net.Dial("tcp", wire.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(c)
	began := time.Now()
	for range 10 { // without waiting for an answer
		if _, err := c.Write([]byte("hello\n")); err != nil {
			t.Fatal(err)
		}
	}
	for range 10 {
		if line, err := r.ReadString('\n'); err != nil || line != "hello\n" {
			t.Fatal(line, err)
		}
	}
	if took := time.Since(began); took < wait || took > 9*wait {
		t.Errorf("it took %v", took)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := r.ReadString('\n'); err == nil {
		t.Error("the connection is still open")
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}
