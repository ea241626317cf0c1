//go:build unix

package queue

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	natstest "github.com/nats-io/nats-server/v2/test"
	"github.com/nats-io/nats.go"
)

// BenchmarkRequest compares requester with the library's requests, by the number of concurrent
// requests. A busy machine disturbs the processor's time less than the clock's.
func BenchmarkRequest(b *testing.B) {
	options := natstest.DefaultTestOptions
	options.Port = -1
	server := natstest.RunServer(&options)
	defer server.WaitForShutdown()
	defer server.Shutdown()
	connect := func() *nats.Conn {
		nc, err := nats.Connect(server.ClientURL(), nats.Timeout(time.Minute))
		if err != nil {
			b.Fatal(err)
		}
		return nc
	}
	responder, nc := connect(), connect()
	defer responder.Close()
	defer nc.Close()
	_, err := responder.QueueSubscribe("echo", "workers", func(m *nats.Msg) {
		_ = m.Respond(m.Data)
	})
	if err != nil || responder.Flush() != nil {
		b.Fatal(err)
	}
	data := make([]byte, 1000) // as of a few operations
	r := &requester{nc: nc}
	ways := map[string]func(context.Context) error{
		"ours": func(ctx context.Context) error {
			return r.request(ctx, exchange{
				subject: "echo", data: data,
				patience: func() (silence, left time.Duration) { return time.Minute, time.Minute },
				receive:  func(*nats.Msg) (counts, last bool) { return true, true },
			})
		},
		"library": func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, time.Minute)
			defer cancel()
			_, err := nc.RequestWithContext(ctx, "echo", data)
			return err
		},
	}
	for _, concurrent := range []int{1, 3, 64} {
		for _, name := range []string{"ours", "library"} {
			b.Run(fmt.Sprintf("%s/%d", name, concurrent), func(b *testing.B) {
				b.ReportAllocs()
				before := processorTime(b)
				requestAll(b, concurrent, ways[name])
				b.ReportMetric(float64((processorTime(b)-before).Nanoseconds())/float64(b.N),
					"cpu-ns/op")
			})
		}
	}
}

// requestAll makes b.N requests, so many of them at once.
func requestAll(b *testing.B, concurrent int, request func(context.Context) error) {
	b.Helper()
	left := make(chan struct{}, b.N)
	for range b.N {
		left <- struct{}{}
	}
	close(left)
	var all sync.WaitGroup
	for range concurrent {
		all.Go(func() {
			for range left {
				if err := request(b.Context()); err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
}

// processorTime is what the whole process has used, the server and the responder included.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
