package delay

import (
	"bufio"
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// TestDelay: requests that are sent together come back after a single delay.
func TestDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const wait = 30 * time.Millisecond
		client, proxyClient := net.Pipe()
		proxyServer, echo := net.Pipe()
		go func() { _, _ = io.Copy(echo, echo) }()
		ctx, cancel := context.WithCancel(t.Context())
		go pass(ctx, proxyClient, proxyServer, wait)
		began := time.Now()
		for range 10 { // without waiting for an answer
			if _, err := client.Write([]byte("hello\n")); err != nil {
				t.Fatal(err)
			}
		}
		r := bufio.NewReader(client)
		for range 10 {
			if line, err := r.ReadString('\n'); err != nil || line != "hello\n" {
				t.Fatal(line, err)
			}
		}
		if took := time.Since(began); took != wait {
			t.Errorf("the answers took %v, want %v", took, wait)
		}
		cancel()
		if _, err := r.ReadString('\n'); err == nil {
			t.Error("the connection is still open")
		}
	})
}
