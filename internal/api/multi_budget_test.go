package api_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/outset-settings/outset/pkg/messages"
)

// TestMultiRequestBudget: the memory that multi-requests take is bounded, and given back in every
// case.
func TestMultiRequestBudget(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startSource()
	const (
		announced = 1 << 20
		budget    = 4*announced + announced/2 // the half is for what is small
	)
	_, s.base, _ = s.startWith(apiConfig, timing, budget)
	const one = `{"method":"GET","path":"/user/42/settings"}`
	multi := func(n int) answer {
		return s.do(http.MethodPost, "/batch", `{"operations":[`+strings.Repeat(one+",", n-1)+one+`]}`, isJSON)
	}
	var idle []net.Conn
	announce := func() {
		conn := s.dialRaw(t)
		body := strings.Repeat(" ", announced-1)
		_, err := fmt.Fprintf(conn, "POST /batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", announced, body)
		if err != nil {
			t.Fatal(err)
		}
		idle = append(idle, conn)
	}
	eventually(t, "the budget is taken", func() bool {
		announce()                                               // more than fit, since one that meets a multi-request is refused
		return multi(20).status == http.StatusServiceUnavailable // 20 times the largest document
	})
	if len(idle) < 2 { // half of the budget, since they have one address
		t.Errorf("%d clients took all of it", len(idle))
	}
	failed(t, multi(20), http.StatusServiceUnavailable, string(messages.KindOverloaded))
	if a := multi(1); a.status != http.StatusOK { // in what is left
		t.Errorf("a small one: %d %s", a.status, a.body)
	}
	for _, conn := range idle {
		_ = conn.Close()
	}
	eventually(t, "the budget is free again", func() bool {
		return multi(20).status == http.StatusOK
	})
	for range 8 { // which would take all of it, if they gave nothing back
		if a := multi(20); a.status != http.StatusOK {
			t.Fatalf("%d %.300s", a.status, a.body)
		}
	}
}
