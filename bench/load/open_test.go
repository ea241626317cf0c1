package load

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// serve answers every request with the body, after delay has returned.
func serve(t *testing.T, body []byte, delay func(r *http.Request)) (addr string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		delay(r)
		_, _ = w.Write(body)
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// TestOpenLoopCountsStall: a stall of the server delays all requests that are due meanwhile, not
// only the pending ones. A slow machine can only make latencies longer.
func TestOpenLoopCountsStall(t *testing.T) {
	t.Parallel()
	const stall = 200 * time.Millisecond
	var asked atomic.Int64
	over := make(chan struct{})
	addr := serve(t, Document(1), func(r *http.Request) {
		if r.Method != http.MethodPut || r.ContentLength != DocumentBytes ||
			!strings.HasPrefix(r.URL.Path, "/user/u0000000") {
			t.Errorf("a wrong request: %+v", r)
		}
		if n := asked.Add(1); n == 100 {
			time.AfterFunc(stall, func() { close(over) })
		} else if n < 100 {
			return
		}
		<-over
	})
	w := Workload{Method: http.MethodPut, Users: 10}
	pace := Pace{Rate: 1000, Connections: 2, Duration: 500 * time.Millisecond}
	o, err := w.Open(t.Context(), addr, pace)
	if err != nil {
		t.Fatal(err)
	}
	if o.Requests != 500 {
		t.Errorf("%d requests", o.Requests)
	}
	// 200 of the 500 were due during the stall, and waited 100 ms on average.
	if least := float64(stall.Microseconds()) / 2; o.Latency.P99 < least {
		t.Errorf("p99 is %v µs, after a stall of %v", o.Latency.P99, stall)
	}
}

func TestOpenLoopRefusesWrongAnswers(t *testing.T) {
	t.Parallel()
	addr := serve(t, []byte("{}"), func(*http.Request) {})
	w := Workload{Method: http.MethodGet, Users: 10}
	pace := Pace{Rate: 1000, Connections: 2, Duration: time.Second}
	if _, err := w.Open(t.Context(), addr, pace); err == nil {
		t.Error("documents of two bytes count")
	}
}
