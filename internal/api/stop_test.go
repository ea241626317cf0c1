package api_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outset-settings/outset/internal/api"
	"github.com/outset-settings/outset/pkg/messages"
)

// TestStopAnswersWhatHasBegun: when an API stops, a request of which it has read the first bytes is
// answered, however late the rest comes; a connection without a request ends, and isn't reset.
func TestStopAnswersWhatHasBegun(t *testing.T) {
	t.Parallel()
	t.Run("HTTP", func(t *testing.T) { t.Parallel(); stopAnswersWhatHasBegun(t, apiConfig, nil) })
	t.Run("HTTPS", func(t *testing.T) {
		t.Parallel()
		config, trust := withTLS(t)
		stopAnswersWhatHasBegun(t, config, trust)
	})
}

func stopAnswersWhatHasBegun(t *testing.T, config api.Config, trust *tls.Config) {
	s := newSystem(t, apiConfig)
	s.startSource()
	base, stop := s.startAPI(config)
	s.base = base
	const request = "GET /user/42/settings HTTP/1.1\r\nHost: x\r\n\r\n"
	const clients = 20
	type client struct {
		conn    io.Writer
		answers *bufio.Reader
	}
	dial := func(kept bool) client {
		var conn net.Conn = s.dialRaw(t)
		if trust != nil {
			secure := tls.Client(conn, trust)
			if err := secure.HandshakeContext(t.Context()); err != nil {
				t.Fatal(err)
			}
			conn = secure
		}
		c := client{conn, bufio.NewReader(conn)}
		if !kept {
			return c
		}
		_, _ = io.WriteString(conn, request)
		if a, err := readAnswer(c.answers); err != nil || a.status != http.StatusOK {
			t.Fatalf("before the stop: %+v, %v", a, err)
		}
		return c
	}
	var idle, begun []client
	silent := s.dialRaw(t) // it doesn't even begin the handshake, where there is one
	idle = append(idle, client{silent, bufio.NewReader(silent)})
	for i := range clients {
		idle = append(idle, dial(i%2 == 0))
		begun = append(begun, dial(i%2 == 0))
	}
	for i, c := range begun { // a byte, the request line, or all but the last byte
		_, _ = io.WriteString(c.conn, request[:[]int{1, 36, len(request) - 1}[i%3]])
	}
	eventually(t, "all requests have begun", func() bool { return s.api.Begun() == clients })

	stopped := make(chan struct{})
	go func() {
		stop()
		close(stopped)
	}()
	for i, c := range idle {
		if n, err := c.answers.ReadByte(); !errors.Is(err, io.EOF) {
			t.Errorf("idle connection %d: %d, %v, want its end", i, n, err)
		}
	}
	for i, c := range begun {
		_, _ = io.WriteString(c.conn, request[[]int{1, 36, len(request) - 1}[i%3]:])
		a, err := readAnswer(c.answers)
		if err != nil || a.status != http.StatusOK || a.header.Get("Connection") != "close" {
			t.Errorf("request %d, which had begun: %+v, %v", i, a, err)
		}
	}
	<-stopped
}

// TestStopGivesChecksUp: a check of a watched user that has no answer is nothing that a client
// waits for, and no failure of the stop.
func TestStopGivesChecksUp(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	checked := make(chan struct{})
	check := sync.OnceFunc(func() { close(checked) })
	s.startFake(messages.ReadSubject, func(r messages.Request) *messages.Reply {
		if r.Operations[0].Action == messages.ActionReadNumber {
			check()
			return nil
		}
		return &messages.Reply{Results: []messages.Result{{Absent: true}}}
	})
	hasty := timing
	hasty.Leftover = time.Nanosecond
	_, base, stop := s.startWith(often(), hasty, 0)
	s.base = base
	s.watch(t, "/user/42/events?include=settings").hears(`{"version":0,"settings":{}}`)
	<-checked
	stop()
	if !strings.Contains(s.log.String(), "were given up") {
		t.Error("the check was not under way")
	}
}

// TestStopUnderLoad: while an API stops, clients with busy connections get an answer that ends the
// connection, or see it end without one; then the request was not carried out, and sending it to
// another API is not a repetition.
func TestStopUnderLoad(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	another := s.base
	base, stop := s.startAPI(apiConfig)
	var clients, started sync.WaitGroup
	var unanswered, cut atomic.Int32
	for n := range 32 {
		started.Add(1)
		clients.Go(func() {
			done := sync.OnceFunc(started.Done)
			defer done()
			for i := 1; ; i++ {
				url := fmt.Sprintf("/user/u%d/settings", n)
				key := fmt.Sprintf("%d-%d", n, i)
				a, last, err := s.putOnce(base+url, key)
				if err != nil {
					unanswered.Add(1)
					if a, _, err = s.putOnce(another+url, key); err != nil {
						t.Errorf("the other API: %v", err)
						return
					}
					last = true
				}
				if a.header.Get("Idempotency-Replayed") != "" {
					cut.Add(1)
				}
				if got := number(a.header.Get("ETag")); a.status != http.StatusOK ||
					got != fmt.Sprintf(`"%d"`, i) {
					t.Errorf("request %d: %d, ETag %s", i, a.status, got)
					return
				}
				done()
				if last { // whoever stands before several APIs now goes to another one
					return
				}
			}
		})
	}
	started.Wait()
	stop()
	clients.Wait()
	t.Logf("%d requests crossed with the end of their connection", unanswered.Load())
	if n := cut.Load(); n > 0 {
		t.Errorf("%d requests were begun and cut", n)
	}
}

// putOnce writes once, with this idempotency key. It tells whether the answer ends the connection.
func (s *system) putOnce(url, key string) (a answer, last bool, err error) {
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPut, url, strings.NewReader(`{}`))
	if err != nil {
		return answer{}, false, err
	}
	r.GetBody = nil // the client itself would send it again
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", key)
	response, err := s.client.Do(r)
	if err != nil {
		return answer{}, false, err
	}
	defer func() { _ = response.Body.Close() }()
	_, err = io.Copy(io.Discard, response.Body)
	return answer{status: response.StatusCode, header: response.Header}, response.Close, err
}
