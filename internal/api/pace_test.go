package api_test

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outset-settings/outset/internal/api"
)

// TestPace: who sends steadily is waited for as long as it takes, and who sends next to nothing is
// not, however much they have sent before.
func TestPace(t *testing.T) {
	t.Parallel()
	const timeout = 10 * time.Second
	for name, c := range map[string]struct {
		first, bytes int           // at once, and then each time
		pause        time.Duration // after each
		pauses       int
		cut          bool
	}{
		"2G: 2 KB each second":                   {0, 2000, time.Second, 500, false},
		"2G: 2 KB, and then a pause of 3 s":      {0, 2000, 3 * time.Second, 500, false},
		"a long pause now and then":              {0, 64 << 10, 9 * time.Second, 50, false},
		"a byte each second":                     {0, 1, time.Second, 500, true},
		"100 bytes just before the time is over": {0, 100, 9 * time.Second, 500, true},
		"a megabyte, and then nothing":           {1 << 20, 1, 11 * time.Second, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				var sending sync.WaitGroup
				sending.Go(func() {
					defer func() { _ = client.Close() }()
					_, err := client.Write(make([]byte, c.first))
					for n := 0; n < c.pauses && err == nil; n++ {
						time.Sleep(c.pause)
						_, err = client.Write(make([]byte, c.bytes))
					}
				})
				_, err := io.Copy(io.Discard, api.Paced(server, timeout))
				_ = server.Close()
				sending.Wait()
				if errors.Is(err, os.ErrDeadlineExceeded) != c.cut || err != nil && !c.cut {
					t.Errorf("it ends with %v", err)
				}
			})
		})
	}
}
