package api_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/outset-settings/outset/internal/api"
	"github.com/outset-settings/outset/internal/program"
	"github.com/outset-settings/outset/pkg/messages"
)

// adminName is a name of the admin address only.
const adminName = "admin.example"

// serveOnAdmin starts an API with an admin address, which s asks from then on.
func (s *system) serveOnAdmin(config api.Config, addr string) (public string, stop func()) {
	s.t.Helper()
	a, err := api.ListenWith(s.connections(), config, timing, 0, s.logger())
	if err != nil {
		s.t.Fatal(err)
	}
	admin, err := program.ListenAdmin(addr, []string{adminName, "x"}, a.Ready, s.logger())
	if err != nil {
		s.t.Fatal(err)
	}
	if err := a.ServeOn(admin); err != nil {
		s.t.Fatal(err)
	}
	admin.Export(a.Metrics())
	s.api, s.base = a, "http://"+admin.Addr()
	stop = s.run(func(ctx context.Context) error { return admin.Around(ctx, a.Run) })
	eventually(s.t, "the API has connections there, if it may", func() bool {
		status, _ := s.adminGet("/problems", "")
		return status == http.StatusOK || config.Auth == "none"
	})
	return a.URL(), stop
}

// adminGet is a GET of what the admin address answers by itself, which isn't in openapi.json.
func (s *system) adminGet(path, host string) (status int, body string) {
	s.t.Helper()
	status, body, err := s.tryAdmin(path, host)
	if err != nil {
		s.t.Fatal(err)
	}
	return status, body
}

func (s *system) tryAdmin(path, host string) (status int, body string, err error) {
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.base+path, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	r.Host = host
	response, err := s.client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

// TestAdminServesAPI: on the admin address there are the console and the API, for those who have
// tokens, beside what it has without.
func TestAdminServesAPI(t *testing.T) {
	t.Parallel()
	s := newSecured(t)
	config := apiConfig
	config.Auth, config.Tokens = "required", s.tokens
	public, _ := s.serveOnAdmin(config, "127.0.0.1:0")
	s.startWorker()
	admin := s.base
	eventually(t, "it is ready", func() bool {
		status, _ := s.adminGet("/readyz", "")
		return status == http.StatusOK
	})

	settings := s.service("settings:write settings:read")
	s.story(t, "as on the public address",
		exchange{request: "GET /console", status: 200, answer: "Content-Type: text/html; charset=utf-8"},
		exchange{request: "GET /console/main.js", status: 200},
		exchange{request: "GET /client.js", status: 200},
		exchange{request: "PUT $/settings", header: isJSON, body: `{}`, status: 401},
		exchange{request: "PUT $/settings", header: lines(isJSON, settings), body: `{"a":1}`, status: 200},
		exchange{request: "GET $/settings", header: settings, status: 200, content: `{"a":1}`},
		exchange{request: "GET /pool", header: settings, status: 403, content: problem("forbidden")},
		exchange{request: "GET /pool", header: s.service("pool:read"), status: 200},
	)
	for path, want := range map[string]string{
		"/healthz": "ok\n", "/readyz": "ok\n", "/metrics": "\noutset_http_connections ",
	} {
		if status, body := s.adminGet(path, ""); status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d %.200s", path, status, body)
		}
		if status, _ := s.adminGet(path, "evil.example"); status != http.StatusMisdirectedRequest {
			t.Errorf("%s under another name: %d", path, status)
		}
	}
	names := func(want map[string]int) {
		t.Helper()
		for name, want := range want {
			if status, _ := s.adminGet("/problems", name); status != want {
				t.Errorf("the API at %s as %s: %d, want %d", s.base, name, status, want)
			}
		}
	}
	names(map[string]int{adminName: http.StatusOK, "evil.example": http.StatusMisdirectedRequest})
	s.base = public
	names(map[string]int{adminName: http.StatusMisdirectedRequest, "x": http.StatusOK})
	s.story(t, "the public address",
		exchange{request: "GET /console", status: 404},
		exchange{request: "GET /user/ann/settings", header: settings, status: 200},
	)
	if status, _ := s.adminGet("/metrics", ""); status != http.StatusNotFound {
		t.Errorf("the metrics are public: %d", status)
	}

	// Bodies are read by the API's rules, also at a path of the admin address.
	s.base = admin
	conn := s.dialRaw(t)
	answers := bufio.NewReader(conn)
	for _, path := range []string{"/metrics", "/healthz"} {
		_, _ = io.WriteString(conn, "POST "+path+" HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
		if a, err := readAnswer(answers); err != nil || a.status/100 != 4 ||
			!strings.Contains(a.body, `"type"`) {
			t.Errorf("a POST to %s: %+v, %v", path, a, err)
		}
	}
}

// TestAdminStream: a stream of events on the admin address tells of each change at once, and ends
// with the API.
func TestAdminStream(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	_, stop := s.serveOnAdmin(apiConfig, "127.0.0.1:0")
	source := s.startSource()
	st := s.watch(t, "/user/42/events?include=settings")
	st.hears(`{"version":0,"settings":{}}`)
	for version := int64(1); version < 4; version++ {
		change := source.set("42", version, `{}`)
		source.tell("42", change)
		st.hears(at(int(version), `,"settings":{}`))
	}
	stop()
	st.ended()
}

// TestAdminClients: who asks is the address that the connection to the admin address comes from, or
// whom a trusted proxy names.
func TestAdminClients(t *testing.T) {
	t.Parallel()
	config := apiConfig
	config.TrustedProxies = []string{"127.0.0.3"}
	s := newSystem(t, config)
	s.serveOnAdmin(config, "127.0.0.1:0")
	for from, want := range map[string]string{
		"127.0.0.2": "127.0.0.2", "127.0.0.3": "203.0.113.9",
	} {
		dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		conn, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(s.base, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		_, _ = io.WriteString(conn, "GET /identity HTTP/1.1\r\nHost: x\r\nX-Request-Id: from-"+from+
			"\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n")
		if a, err := readAnswer(bufio.NewReader(conn)); err != nil || a.status != http.StatusOK {
			t.Errorf("from %s: %+v, %v", from, a, err)
		}
		line := "request_id=from-" + from + " method=GET path=/identity client=" + want + " "
		eventually(t, line, func() bool { return strings.Contains(s.log.String(), line) })
	}
}

// TestAdminWithTLS: the admin address has no TLS, so nothing there tells a browser to stay with it.
func TestAdminWithTLS(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	config, _ := withTLS(t)
	s.serveOnAdmin(config, "127.0.0.1:0")
	a := s.do(http.MethodGet, "/console", "")
	if a.status != http.StatusOK || a.header.Get("Strict-Transport-Security") != "" {
		t.Errorf("%+v", a)
	}
}

// TestAdminStops: while an API stops it answers what has begun on the admin address, and whoever
// connects there still hears of its health.
func TestAdminStops(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	_, stop := s.serveOnAdmin(apiConfig, "127.0.0.1:0")
	s.startFake(messages.ReadSubject, func(r messages.Request) *messages.Reply {
		return &messages.Reply{Results: make([]messages.Result, len(r.Operations))}
	})
	conn := s.dialRaw(t)
	const request = "GET /problems HTTP/1.1\r\nHost: x\r\n\r\n"
	_, _ = io.WriteString(conn, request[:10])
	eventually(t, "the request has begun", func() bool { return s.api.BegunOnAdmin() == 1 })
	stopped := make(chan struct{})
	go func() {
		stop()
		close(stopped)
	}()
	eventually(t, "the API takes no connections any more", func() bool {
		status, _, err := s.tryAdmin("/console", "") // it may end just as it stops
		return err == nil && status == http.StatusNotFound
	})
	if status, body := s.adminGet("/healthz", ""); status != http.StatusOK || body != "ok\n" {
		t.Errorf("its health: %d %s", status, body)
	}
	if status, body := s.adminGet("/readyz", ""); status != http.StatusServiceUnavailable ||
		!strings.Contains(body, "stopping") {
		t.Errorf("whether it is ready: %d %s", status, body)
	}
	_, _ = io.WriteString(conn, request[10:])
	if a, err := readAnswer(bufio.NewReader(conn)); err != nil || a.status != http.StatusOK {
		t.Errorf("what had begun: %+v, %v", a, err)
	}
	<-stopped
}

// TestAdminWithoutAuthentication: where everybody may do everything, the API isn't on an admin
// address that other machines reach.
func TestAdminWithoutAuthentication(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	config := apiConfig
	config.Auth = "none"
	s.serveOnAdmin(config, "0.0.0.0:0")
	_, port, err := net.SplitHostPort(strings.TrimPrefix(s.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	s.base = "http://127.0.0.1:" + port
	for path, want := range map[string]int{
		"/healthz": http.StatusOK, "/metrics": http.StatusOK, "/console": http.StatusNotFound,
		"/user/42/settings": http.StatusNotFound,
	} {
		if status, _ := s.adminGet(path, ""); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
	if !strings.Contains(s.log.String(), "the console is not on the admin address") {
		t.Error("the log doesn't say why")
	}
}
