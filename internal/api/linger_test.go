package api_test

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outset-settings/outset/internal/api"
)

// endless is a client that sends as fast as it is read, and counts.
type endless struct{ reads, bytes int }

func (e *endless) Read(p []byte) (int, error) {
	e.reads++
	e.bytes += len(p)
	return len(p), nil
}

// TestUnwantedBytes: what a client goes on sending after its answer is read at a bounded rate,
// however fast it comes, and 16 MiB of it before the time is over.
func TestUnwantedBytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fast := &endless{}
		began := time.Now()
		api.Discard(fast)
		took := time.Since(began)
		most := api.LingerRead + int(took.Seconds()*api.LingerRate) + api.LingerRead
		if fast.bytes < api.LingerBytes || fast.bytes > most || took > api.LingerTime {
			t.Errorf("%d bytes in %v, want %d to %d in %v", fast.bytes, took, api.LingerBytes, most,
				api.LingerTime)
		}
		if fast.reads > api.LingerBytes/api.LingerRead+1 {
			t.Errorf("%d reads", fast.reads)
		}
		short := &endless{}
		began = time.Now()
		api.Discard(io.LimitReader(short, 1000))
		if short.bytes != 1000 || time.Since(began) > 0 {
			t.Errorf("of a client that ends: %d bytes in %v", short.bytes, time.Since(began))
		}
	})
}
