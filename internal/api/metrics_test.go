package api_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/outset-settings/outset/internal/api"
	"github.com/outset-settings/outset/internal/testmetrics"
)

// counted is the series of the requests with this route, method and status.
func counted(route, method string, status int) string {
	return fmt.Sprintf("outset_http_requests_total{method=%q,route=%q,status=\"%d\"}", method, route,
		status)
}

// TestMetrics: each request is counted once, where it belongs.
func TestMetrics(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	const settings = "/user/{id}/settings"
	expect := func(a answer, status int) {
		t.Helper()
		if a.status != status {
			t.Errorf("%d %s, want %d", a.status, a.body, status)
		}
	}
	for range 3 { // the second and the third repeat the first
		expect(s.do("PUT", "/user/ann/settings", `{"a":1}`, isJSON, `Idempotency-Key: "k"`), 200)
	}
	expect(s.do("PUT", "/user/ann/settings", `{"a":2}`, isJSON, `If-Match: "7"`), 412)
	for range 5 {
		expect(s.do("GET", "/user/ann/settings", ""), 200)
	}
	expect(s.do("HEAD", "/user/ann/settings", ""), 200)
	expect(s.do("GET", "/user/ann/settings/b", ""), 404)
	expect(s.do("GET", "/user/%00/settings", ""), 400)
	expect(s.do("DELETE", "/nowhere", ""), 404)
	expect(s.do("BREW", "/schema", ""), 405)
	expect(s.do("POST", "/batch", `{"operations":[
		{"method":"GET","path":"/user/bob/settings"},{"method":"GET","path":"/nowhere"}]}`, isJSON), 200)
	twoHosts := s.open(t, rawHead("GET /healthz HTTP/1.1", "Host: x", "Host: x"))
	if text, err := io.ReadAll(twoHosts); err != nil || !strings.HasPrefix(string(text), "HTTP/1.1 400") {
		t.Errorf("two hosts: %s, %v", text, err)
	}
	got := testmetrics.Of(t, s.api.Metrics())
	got.Want(t, testmetrics.Values{
		counted(settings, "PUT", 200):           3,
		counted(settings, "PUT", 412):           1,
		counted(settings, "GET", 200):           6, // one of them in the multi-request
		counted(settings, "GET", 400):           1,
		counted(settings, "HEAD", 200):          1,
		counted(settings+"/{path}", "GET", 404): 1,
		counted("none", "DELETE", 404):          1,
		counted("none", "OTHER", 405):           1,
		counted("none", "GET", 400):             1,
		counted("/batch", "POST", 200):          1,
		counted("none", "GET", 404):             1,
		`outset_http_request_duration_seconds_count{method="GET",route="` + settings + `"}`: 7,

		`outset_api_operations_total{kind="ok",queue="write"}`:                  3,
		`outset_api_operations_total{kind="precondition-failed",queue="write"}`: 1,
		`outset_api_operations_total{kind="not-found",queue="read"}`:            1,
		`outset_api_operations_total{kind="ok",queue="read"}`:                   7,
		`outset_api_operations_replayed_total`:                                  2,
		`outset_api_batch_operations_sum{queue="write"}`:                        4,
		`outset_api_queue_wait_seconds_count{queue="write"}`:                    4,
		`outset_api_queue_refused_total{queue="write"}`:                         0,
		`outset_api_queue_operations{queue="write"}`:                            0,
		`outset_api_nats_connected{connection="requests"}`:                      1,
	})
	eventually(t, "the worker is counted", func() bool {
		return testmetrics.Of(t, s.api.Metrics())[`outset_api_workers{state="serving"}`] == 1
	})
}

// TestStreamMetrics: who watches, and what they are told.
func TestStreamMetrics(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	one := s.watch(t, "/user/ann/events")
	all := s.watch(t, "/users/events")
	gauge := func(of string, want float64) {
		t.Helper()
		eventually(t, of, func() bool {
			return testmetrics.Of(t, s.api.Metrics())[of] == want
		})
	}
	gauge(`outset_api_streams{of="user"}`, 1)
	gauge(`outset_api_streams{of="users"}`, 1)
	gauge(`outset_api_events_sent_total{of="user"}`, 1) // the version that there is
	gauge(`outset_api_events_sent_total{of="users"}`, 0)
	s.put("ann", `{"a":1}`)
	s.put("bob", `{"a":1}`)
	gauge(`outset_api_events_sent_total{of="user"}`, 2)
	gauge(`outset_api_events_sent_total{of="users"}`, 2)
	gauge(`outset_api_notifications_received_total`, 1)
	one.stop()
	all.stop()
	for _, of := range []string{"user", "users"} { // seen when there is more to write
		eventually(t, of+" is gone", func() bool {
			s.put("ann", `{"a":1}`)
			return testmetrics.Of(t, s.api.Metrics())[`outset_api_streams{of="`+of+`"}`] == 0
		})
	}
}

// TestLimitedMetrics: which limit it was.
func TestLimitedMetrics(t *testing.T) {
	t.Parallel()
	s := newSecured(t, func(c *api.Config) { c.UserRate = 1 })
	s.startWorker()
	limited := 0.0
	for range 20 {
		if a := s.do("GET", "/user/ann/settings", "", s.user("ann")); a.status == http.StatusTooManyRequests {
			limited++
		}
	}
	if limited == 0 {
		t.Fatal("nothing was limited")
	}
	testmetrics.Of(t, s.api.Metrics()).Want(t, testmetrics.Values{
		`outset_http_rate_limited_total{limit="user"}`:  limited,
		`outset_http_rate_limited_total{limit="token"}`: 0,
		counted("/user/{id}/settings", "GET", 429):      limited,
		counted("/user/{id}/settings", "GET", 200):      20 - limited,
	})
}
