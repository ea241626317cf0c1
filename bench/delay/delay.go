// Package delay is a proxy that makes a network slow: it holds back what clients send, so that each
// round trip takes that much longer. It delays without limiting how many bytes are on their way.
package delay

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// chunk is data from one read, and when it is due at the other end.
type chunk struct {
	due  time.Time
	data []byte
}

// Serve passes connections of l on to the address until ctx ends. It closes l then.
func Serve(ctx context.Context, l net.Listener, network, addr string, wait time.Duration) error {
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	var open sync.WaitGroup
	defer open.Wait()
	for {
		client, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		open.Go(func() {
			defer func() { _ = client.Close() }()
			server, err := (&net.Dialer{}).DialContext(ctx, network, addr)
			if err != nil {
				return // the client sees a closed connection
			}
			defer func() { _ = server.Close() }()
			pass(ctx, client, server, wait)
		})
	}
}

// pass copies between the connections until one of them or ctx ends, and closes both.
func pass(ctx context.Context, client, server net.Conn, wait time.Duration) {
	stop := context.AfterFunc(ctx, func() { _, _ = client.Close(), server.Close() })
	defer stop()
	line := make(chan chunk, 1024)
	var copies sync.WaitGroup
	defer copies.Wait()
	copies.Go(func() {
		_, _ = io.Copy(client, server)
		_ = client.Close()
	})
	copies.Go(func() {
		defer func() { _ = server.Close() }()
		for c := range line {
			time.Sleep(time.Until(c.due))
			if _, err := server.Write(c.data); err != nil {
				_ = client.Close()
			}
		}
	})
	defer close(line)
	for {
		data := make([]byte, 64<<10)
		n, err := client.Read(data)
		if n > 0 {
			line <- chunk{time.Now().Add(wait), data[:n]}
		}
		if err != nil {
			return
		}
	}
}
