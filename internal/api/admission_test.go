package api_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/outset-settings/outset/internal/api"
	"github.com/outset-settings/outset/pkg/messages"
)

func newCrowded(t *testing.T, most int) *system {
	t.Helper()
	s := newSystem(t, apiConfig)
	config := apiConfig
	config.MaxConnections = most
	s.base, _ = s.startAPI(config)
	return s
}

// TestIdleConnections: whoever comes when all connections are idle, or have sent half a head, is
// served, and the one that is idle for longest ends.
func TestIdleConnections(t *testing.T) {
	t.Parallel()
	const most = 1000
	s := newCrowded(t, most)
	first := s.dialRaw(t)
	for n := range most {
		s.open(t, []string{"", "GET /healthz HTTP/1.1\r\nHo"}[n%2])
	}
	refused := 0
	for range 100 {
		conn := s.open(t, rawHead("GET /healthz HTTP/1.1", "Host: x"))
		if a, err := readAnswer(bufio.NewReader(conn)); err != nil || a.status != http.StatusOK {
			refused++
		}
	}
	if held := s.api.Connections(); refused > 0 || held > most {
		t.Errorf("%d were refused, %d connections are held", refused, held)
	}
	if n, err := first.Read(make([]byte, 1)); n > 0 || err == nil {
		t.Error("the first one goes on")
	}
}

// TestUsedConnections: connections in use are not ended. An address that has half of them gets no
// more and is told so in a problem, and another one is served.
func TestUsedConnections(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only there all of 127.0.0.0/8 is this machine")
	}
	const most = 8
	s := newCrowded(t, most)
	s.startWorker()
	begun := rawPut + "Content-Length: 20000\r\n\r\n" + strings.Repeat(" ", 10_000)
	var used []net.Conn
	for range most / 2 {
		bytes := s.api.BodyBytes()
		used = append(used, s.open(t, begun))
		eventually(t, "it is in use", func() bool { return s.api.BodyBytes() > bytes })
	}
	a, err := readAnswer(bufio.NewReader(s.dialRaw(t)))
	if err != nil {
		t.Fatal(err)
	}
	failed(t, a, http.StatusServiceUnavailable, string(messages.KindOverloaded))
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	for range 2 * most {
		conn, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(s.base, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		fmt.Fprint(conn, rawHead("GET /healthz HTTP/1.1", "Host: x"))
		if a, err := readAnswer(bufio.NewReader(conn)); err != nil || a.status != http.StatusOK {
			t.Fatalf("another address: %+v, %v", a, err)
		}
	}
	for _, conn := range used {
		fmt.Fprint(conn, strings.Repeat(" ", 9_998)+"{}")
		if a, err := readAnswer(bufio.NewReader(conn)); err != nil || a.status >= 300 {
			t.Errorf("in use: %+v, %v", a, err)
		}
	}
}

// TestConnectionsOfProxy: a trusted proxy may hold all connections.
func TestConnectionsOfProxy(t *testing.T) {
	t.Parallel()
	s := newProxied(t, 0, func(c *api.Config) { c.MaxConnections = 8 })
	begun := rawPut + "Content-Length: 20000\r\n\r\n" + strings.Repeat(" ", 10_000)
	for range 8 {
		bytes := s.api.BodyBytes()
		s.open(t, begun)
		eventually(t, "it is in use", func() bool { return s.api.BodyBytes() > bytes })
	}
	a, err := readAnswer(bufio.NewReader(s.dialRaw(t)))
	if err != nil {
		t.Fatal(err)
	}
	failed(t, a, http.StatusServiceUnavailable, string(messages.KindOverloaded))
}
