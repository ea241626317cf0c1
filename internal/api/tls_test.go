package api_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/outset-settings/outset/internal/api"
	"github.com/outset-settings/outset/internal/testcert"
)

// withTLS is apiConfig with a certificate, and what a client needs to trust it.
func withTLS(t *testing.T) (api.Config, *tls.Config) {
	t.Helper()
	files, pool := testcert.New(t, "api")
	config := apiConfig
	config.TLSCert, config.TLSKey = files.Cert, files.Key
	return config, &tls.Config{RootCAs: pool, ServerName: "localhost", MinVersion: tls.VersionTLS12}
}

// newSecureSystem is newSystem with TLS.
func newSecureSystem(t *testing.T) *system {
	t.Helper()
	config, trust := withTLS(t)
	s := newSystem(t, config)
	s.trust = trust
	transport, ok := s.client.Transport.(*http.Transport)
	if !ok {
		t.Fatal("another transport")
	}
	transport.TLSClientConfig = trust.Clone()
	return s
}

// TestTLS: all sorts of answers over HTTPS: documents, streams and changes.
func TestTLS(t *testing.T) {
	t.Parallel()
	s := newSecureSystem(t)
	s.startWorker()
	if !strings.HasPrefix(s.base, "https://") {
		t.Errorf("the API is at %s", s.base)
	}
	watcher := s.watch(t, "/user/42/events?include=settings")
	watcher.hears(`{"version":0,"settings":{}}`)
	large := `{"a":"` + strings.Repeat("x", 60_000) + `"}`
	a := s.do("PUT", "/user/42/settings", large, isJSON)
	if a.status != http.StatusOK || a.header.Get("Strict-Transport-Security") != "max-age=31536000" {
		t.Errorf("PUT: %d %v", a.status, a.header)
	}
	s.has("42", 1, large)
	if e, _ := watcher.next(); e.id != "1" || !strings.Contains(e.data, large) {
		t.Errorf("heard %s %.200s", e.id, e.data)
	}
	watcher.stop()
	lines := "{\"user\":\"a\",\"settings\":{}}\n{\"user\":\"b\",\"settings\":{\"n\":1}}\n{\"end\":true}\n"
	if a := s.do("POST", "/users/import", lines, "Content-Type: application/x-ndjson"); a.status != http.StatusOK {
		t.Errorf("import: %d %s", a.status, a.body)
	}
	if a := s.do("GET", "/users/export", ""); a.status != http.StatusOK ||
		!strings.Contains(a.body, large) || !strings.Contains(a.body, `"n":1`) {
		t.Errorf("export: %d %.300s", a.status, a.body)
	}
}

// TestTLSProtocols: nothing below TLS 1.2, HTTP/1.1 only, and nothing without TLS.
func TestTLSProtocols(t *testing.T) {
	t.Parallel()
	s := newSecureSystem(t)
	shake := func(change func(*tls.Config)) (tls.ConnectionState, error) {
		config := s.trust.Clone()
		change(config)
		conn := tls.Client(s.dialRaw(t), config)
		defer func() { _ = conn.Close() }()
		err := conn.HandshakeContext(t.Context())
		return conn.ConnectionState(), err
	}
	for version, want := range map[uint16]bool{
		tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true,
	} {
		_, err := shake(func(c *tls.Config) { c.MinVersion, c.MaxVersion = version, version })
		if (err == nil) != want {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
	}
	state, err := shake(func(c *tls.Config) { c.NextProtos = []string{"h2", "http/1.1"} })
	if err != nil || state.NegotiatedProtocol != "http/1.1" {
		t.Errorf("%s, %v", state.NegotiatedProtocol, err)
	}
	plain := s.dialRaw(t)
	_, _ = io.WriteString(plain, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
	if got, err := readAnswer(bufio.NewReader(plain)); err == nil {
		t.Errorf("without TLS: %+v", got)
	}
}

// TestTLSCutOff: a body of which the end is missing is not taken, however the connection ends.
func TestTLSCutOff(t *testing.T) {
	t.Parallel()
	s := newSecureSystem(t)
	s.startWorker()
	const begin = rawPut + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"
	for name, cut := range map[string]func(*tls.Conn) error{
		"between records": func(c *tls.Conn) error { return c.NetConn().Close() },
		"within a record": func(c *tls.Conn) error {
			_, err := c.NetConn().Write([]byte{23, 3, 3, 0, 100, 1, 2, 3})
			return errors.Join(err, c.NetConn().Close())
		},
		"with a goodbye": func(c *tls.Conn) error { return c.Close() },
	} {
		conn := tls.Client(s.dialRaw(t), s.trust.Clone())
		if _, err := io.WriteString(conn, begin); err != nil {
			t.Fatal(name, err)
		}
		if err := cut(conn); err != nil {
			t.Fatal(name, err)
		}
	}
	eventually(t, "all were read", func() bool { return s.api.Begun() == 0 })
	s.has("42", 0, `{}`)
}

// TestTLSReload: a new certificate is for new connections, and cuts no open one.
func TestTLSReload(t *testing.T) {
	t.Parallel()
	files, pool := testcert.New(t, "first")
	config := apiConfig
	config.TLSCert, config.TLSKey = files.Cert, files.Key
	s := newSystem(t, config)
	transport, ok := s.client.Transport.(*http.Transport)
	if !ok {
		t.Fatal("another transport")
	}
	transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	transport.MaxConnsPerHost = 1
	if a := s.do("GET", "/healthz", ""); a.status != http.StatusOK {
		t.Fatalf("%+v", a)
	}
	renewed := files.Renew(t, "second")
	eventually(t, "the new certificate is served", func() bool {
		conn := tls.Client(s.dialRaw(t), &tls.Config{
			RootCAs: renewed, ServerName: "localhost", MinVersion: tls.VersionTLS12,
		})
		defer func() { _ = conn.Close() }()
		return conn.HandshakeContext(t.Context()) == nil
	})
	// The client trusts the first certificate only, so this is the connection from before.
	if a := s.do("GET", "/healthz", ""); a.status != http.StatusOK {
		t.Errorf("%+v", a)
	}
}
