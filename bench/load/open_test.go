package load

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// serve answers every request, each after what delay says.
func serve(t *testing.T, body []byte, delay func()) (addr string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		delay()
		_, _ = w.Write(body)
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// TestStallCounts: a side that stops for a moment makes all requests late that are due meanwhile,
// and not only those on their way.
func TestStallCounts(t *testing.T) {
	t.Parallel()
	const stall = 300 * time.Millisecond
	var asked atomic.Int64
	until := make(chan struct{})
	addr := serve(t, Document(1), func() {
		if asked.Add(1) == 200 {
			time.AfterFunc(stall, func() { close(until) })
		}
		if asked.Load() >= 200 {
			<-until
		}
	})
	w := Workload{Method: http.MethodGet, Users: 10}
	o, err := w.Open(t.Context(), addr, Pace{Rate: 1000, Connections: 2, Duration: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if o.Requests != 1000 {
		t.Errorf("%d requests", o.Requests)
	}
	// 300 of 1000 were due in the stall and waited 150 ms on average.
	if p90 := time.Duration(o.Latency.P90) * time.Microsecond; p90 < stall/2 {
		t.Errorf("p90 is %v after a stall of %v", p90, stall)
	}
}

func TestOpenWantsRightAnswers(t *testing.T) {
	t.Parallel()
	addr := serve(t, []byte("{}"), func() {})
	w := Workload{Method: http.MethodGet, Users: 10}
	if _, err := w.Open(t.Context(), addr, Pace{
		Rate: 1000, Connections: 2,
		Duration: time.Second,
	}); !errors.Is(err, errSize) {
		t.Errorf("documents of two bytes: %v", err)
	}
}

func TestReadAnswer(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]error{
		"HTTP/1.1 200 OK\r\nContent-Type: x\r\ncontent-length: 2\r\n\r\n{}": nil,
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{ }":                   errSize,
		"HTTP/1.1 200 OK\r\n\r\n{}":                                         errSize,
		"HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\n{}":                    errStatus,
	} {
		if err := readAnswer(bufio.NewReader(strings.NewReader(text)), 2); !errors.Is(err, want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestRequests: what the open loop sends is what a server understands.
func TestRequests(t *testing.T) {
	t.Parallel()
	for _, method := range []string{
		http.MethodGet, http.MethodPut, http.MethodPost,
		http.MethodPatch,
	} {
		w := Workload{Method: method, Users: 100}
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(string(w.requests()(nil)))))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := w.Body(0)
		if r.Method != method || !strings.HasPrefix(r.URL.Path, "/user/u000000") ||
			int(r.ContentLength) != len(body) {
			t.Errorf("%s: %+v", method, r)
		}
	}
}

func TestDocument(t *testing.T) {
	t.Parallel()
	if d := Document(42); len(d) != DocumentBytes || !strings.Contains(string(d), `"counter":"00000042"`) {
		t.Errorf("%d bytes: %s", len(d), d)
	}
}

func TestLatency(t *testing.T) {
	t.Parallel()
	h := newHistogram()
	for i := range int64(1000) {
		if err := h.RecordValue(i + 1); err != nil {
			t.Fatal(err)
		}
	}
	if got := fmt.Sprint(latencyOf(h)); got != "{500 900 990 999 1000}" {
		t.Error(got)
	}
}

func TestNobodyThere(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	if _, err := (Workload{Method: http.MethodGet, Users: 1}).Open(t.Context(), l.Addr().String(),
		Pace{Rate: 1, Connections: 1, Duration: time.Second}); err == nil {
		t.Error("no error")
	}
}
