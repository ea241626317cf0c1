package api_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/outset-settings/outset/internal/api"
	"github.com/outset-settings/outset/pkg/messages"
)

// ask sends a GET with these header lines, and nothing else.
func (s *system) ask(t *testing.T, target string, header ...string) answer {
	t.Helper()
	conn := s.dialRaw(t)
	_, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\n%s\r\n\r\n", target,
		strings.Join(header, "\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := readAnswer(bufio.NewReader(conn))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestHostNames: a name that isn't ours gets a problem on every route, known or not.
func TestHostNames(t *testing.T) {
	t.Parallel()
	config := apiConfig
	config.HTTPHosts = []string{"settings.example", "*.apps.example"}
	s := newSystem(t, config)
	s.startSource()
	for host, want := range map[string]int{
		"127.0.0.1": 200, "127.0.0.1:1": 200, "[::1]:8080": 200, "localhost:8080": 200,
		"settings.example": 200, "a.apps.example": 200, "10.0.0.1": 200,
		"evil.example": 421, "evil.example:8080": 421, "localhost.evil.example": 421,
		"127.0.0.1.evil.example": 421, "apps.example": 421,
	} {
		for path, known := range map[string]int{
			"/healthz": want, "/user/42/settings": want, "/docs": want, "/problems/malformed": want,
			"/nowhere": max(want, 404), "http://" + host + "/healthz": want,
			"http://evil.example/healthz": 421, "http://localhost/healthz": want,
		} {
			if a := s.ask(t, path, "Host: "+host); a.status != known {
				t.Errorf("%s, %s: %d, want %d", host, path, a.status, known)
			}
		}
	}
	a := s.ask(t, "/user/42/settings", "Host: evil.example")
	var p struct{ Kind, RequestID string }
	if err := json.Unmarshal([]byte(a.body), &p); err != nil ||
		p.Kind != "misdirected-request" || p.RequestID == "" {
		t.Errorf("%s, %v", a.body, err)
	}
}

// TestHostNamesOfWrites: a write for another name changes nothing, and ends its connection, since
// its body is not read.
func TestHostNamesOfWrites(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startFake(messages.WriteSubject, func(messages.Request) *messages.Reply {
		t.Error("a worker was asked")
		return nil
	})
	for _, path := range []string{"/user/42/settings", "/batch", "/users/import"} {
		conn := s.dialRaw(t)
		const body = `{"theme":"dark"}`
		_, _ = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: evil.example\r\n"+
			"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
		r := bufio.NewReader(conn)
		a, err := readAnswer(r)
		if err != nil || a.status != 421 || a.header.Get("Connection") != "close" {
			t.Errorf("%s: %+v, %v", path, a, err)
		}
		if rest, err := io.ReadAll(r); len(rest) > 0 || err != nil {
			t.Errorf("%s: then %q, %v", path, rest, err)
		}
	}
}

// TestTrustedProxies: what proxies say counts if they are trusted, and only then.
func TestTrustedProxies(t *testing.T) {
	t.Parallel()
	config := apiConfig
	config.TrustedProxies = []string{"127.0.0.0/8"}
	trusting, other := newSystem(t, config), newSystem(t, apiConfig)
	forwarded := []string{
		"Host: x", "X-Forwarded-Proto: https", "X-Forwarded-For: 1.2.3.4, 203.0.113.9",
		"X-Request-ID: mine",
	}
	if a := trusting.ask(t, "/healthz", forwarded...); a.header.Get("Strict-Transport-Security") == "" {
		t.Errorf("HTTPS before the proxy: %v", a.header)
	}
	if a := trusting.ask(t, "/healthz", "Host: x"); a.header.Get("Strict-Transport-Security") != "" {
		t.Errorf("HTTP before the proxy: %v", a.header)
	}
	if a := other.ask(t, "/healthz", forwarded...); a.header.Get("Strict-Transport-Security") != "" {
		t.Errorf("the header of anybody: %v", a.header)
	}
	for s, client := range map[*system]string{trusting: "203.0.113.9", other: "127.0.0.1"} {
		want := "request_id=mine method=GET path=/healthz client=" + client + " "
		eventually(t, "it is logged", func() bool { return strings.Contains(s.log.String(), want) })
	}
	host := func(s *system, name string) answer {
		return s.ask(t, "/healthz", "Host: x", "X-Forwarded-Host: "+name)
	}
	a, b := host(trusting, "evil.example"), host(trusting, "localhost")
	if a.status != 421 || !strings.Contains(a.body, "X-Forwarded-Host") || b.status != 200 {
		t.Errorf("the name before the proxy: %+v, %+v", a, b)
	}
	if a := host(other, "evil.example"); a.status != 200 {
		t.Errorf("the name that anybody says: %+v", a)
	}
	// A subrequest can have no address of its own making.
	trusting.ask(t, "/healthz", "Host: x")
	trusting.do("POST", "/batch", `{"operations":[{"method":"GET","path":"/user/42/nowhere",
		"headers":{"X-Forwarded-For":"1.2.3.4","X-Request-ID":"sub"}}]}`, isJSON,
		"X-Forwarded-For: 203.0.113.9")
	eventually(t, "it is logged", func() bool {
		return strings.Contains(trusting.log.String(), "request_id=sub method=GET path=/user/42/nowhere client=203.0.113.9 ")
	})
}

// TestEdgeSettings: what can't work is refused at the start, in a line that names the setting.
func TestEdgeSettings(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	for want, edge := range map[string]api.EdgeConfig{
		"HTTP_HOSTS: ":                         {HTTPHosts: []string{"https://example.org"}},
		"TRUSTED_PROXIES: ":                    {TrustedProxies: []string{"proxy.example.org"}},
		"TLS_CERT and TLS_KEY need each other": {TLSKey: "key.pem"},
		"TLS_CERT: ":                           {TLSCert: "/nowhere", TLSKey: "/nowhere"},
	} {
		config := apiConfig
		config.EdgeConfig = edge
		if _, err := api.Listen(s.connections(), config, s.log.Logger()); err == nil ||
			!strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
