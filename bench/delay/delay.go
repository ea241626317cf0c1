// Package delay is a wire that takes its time: a proxy that holds back what clients send, so that
// each round trip through it takes that much longer. It holds back moments, not bytes: any number
// can be on their way.
package delay

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// chunk is what came at once, and when it is due at the other end.
type chunk struct {
	due  time.Time
	data []byte
}

// Serve passes connections of l on to the address until ctx ends. l is closed then.
func Serve(ctx context.Context, l net.Listener, network, addr string, wait time.Duration) error {
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	var open sync.WaitGroup
	defer open.Wait()
	for {
		client, err := l.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return nil
			}
			return err
		}
		open.Go(func() { pass(ctx, client, network, addr, wait) })
	}
}

func pass(ctx context.Context, client net.Conn, network, addr string, wait time.Duration) {
	defer func() { _ = client.Close() }()
	server, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return // the client sees its connection closed
	}
	defer func() { _ = server.Close() }()
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
