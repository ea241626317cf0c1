package api_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestBatchRoom: what batches take of memory is bounded, also what clients only announce, and given
// back in every case.
func TestBatchRoom(t *testing.T) {
	t.Parallel()
	s := newSystem(t, patient)
	s.startWorker()
	const one = `{"method":"GET","path":"/user/42/settings"}`
	batch := func(n int) answer {
		return s.do(http.MethodPost, "/batch", `{"operations":[`+strings.Repeat(one+",", n-1)+one+`]}`, isJSON)
	}
	const announced = 6_800_000
	var idle []net.Conn
	announce := func() {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.base, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		body := strings.Repeat(" ", 8<<10) // as much as is read before the handler is called
		_, err = fmt.Fprintf(conn, "POST /batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", announced, body)
		if err != nil {
			t.Fatal(err)
		}
		idle = append(idle, conn)
	}
	eventually(t, "there is no room", func() bool {
		announce()
		return batch(100).status == http.StatusServiceUnavailable
	})
	if len(idle) < 30 {
		t.Errorf("%d clients took all of it", len(idle))
	}
	if a := batch(1); a.status != http.StatusOK { // in what is left
		t.Errorf("a small one: %d %s", a.status, a.body)
	}
	for _, conn := range idle {
		_ = conn.Close()
	}
	eventually(t, "there is room again", func() bool { return batch(100).status == http.StatusOK })
	for range 100 { // which would fill it, if they gave nothing back
		if a := batch(50); a.status != http.StatusOK {
			t.Fatalf("%d %.300s", a.status, a.body)
		}
	}
}
