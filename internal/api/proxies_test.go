//go:build proxies

package api_test

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/outset-settings/outset/internal/testcert"
	"github.com/outset-settings/outset/internal/testdocs"
	"github.com/outset-settings/outset/internal/testlog"
)

// These tests run real proxies before the API, those of Debian: make proxies installs them.

// startProxy runs a proxy until the test ends, and returns when it answers at the address. command
// makes it from the address and a folder for its files.
func startProxy(t *testing.T, command func(addr, dir string) []string) (addr string) {
	t.Helper()
	addr = freeAddr(t)
	line := command(addr, t.TempDir())
	log := &testlog.Buffer{}
	c := exec.CommandContext(t.Context(), line[0], line[1:]...)
	c.Stdout, c.Stderr = log, log
	// Killed, nginx would leave its workers behind.
	c.Cancel, c.WaitDelay = func() error { return c.Process.Signal(syscall.SIGTERM) }, ample
	c.Env = append(os.Environ(), "HOME="+t.TempDir(), "XDG_DATA_HOME="+t.TempDir(), "XDG_CONFIG_HOME="+t.TempDir())
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = c.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		<-ended // the test's context has ended by now
		if t.Failed() {
			t.Logf("%s: %s", line[0], log)
		}
	})
	eventually(t, "the proxy listens", func() bool {
		select {
		case <-ended:
			t.Fatalf("%v has ended: %s", line, log)
		default:
		}
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return addr
}

// freeAddr is an address that nobody listens on.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// programPath is the path of a program that may be where only root looks.
func programPath(t *testing.T, name string) string {
	t.Helper()
	for _, path := range []string{name, "/usr/sbin/" + name} {
		if found, err := exec.LookPath(path); err == nil {
			return found
		}
	}
	t.Fatalf("%s is missing: make proxies installs it", name)
	return ""
}

func writeFile(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// startNginx runs Debian's nginx with Debian's nginx.conf, but for where it writes and for its one
// server.
func startNginx(t *testing.T, server string) (base string) {
	t.Helper()
	return "http://" + startProxy(t, func(addr, dir string) []string {
		return nginx(t, dir, strings.ReplaceAll(server, "ADDR", addr))
	})
}

// nginx writes the configuration, and returns the command.
func nginx(t *testing.T, dir, server string) []string {
	t.Helper()
	debian, err := os.ReadFile("/etc/nginx/nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	user := "user root;" // its files are in a folder of ours
	if os.Geteuid() != 0 {
		user = ""
	}
	temporary := ""
	for _, name := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		temporary += fmt.Sprintf("%s_temp_path %s;\n", name, filepath.Join(dir, name))
	}
	writeFile(t, filepath.Join(dir, "server.conf"), temporary+server)
	config := strings.NewReplacer(
		"user www-data;", user, "/run/nginx.pid", filepath.Join(dir, "pid"), "/var/log/nginx/", dir+"/",
		"/etc/nginx/sites-enabled/*", filepath.Join(dir, "server.conf"),
	).Replace(string(debian))
	return []string{
		programPath(t, "nginx"), "-c", writeFile(t, filepath.Join(dir, "nginx.conf"), config),
		"-e", "stderr", "-g", "daemon off;",
	}
}

// documented is the block of docs/operations.md in a language, as a file.
func documented(t *testing.T, language string) string {
	t.Helper()
	return testdocs.Block(t, language) + "\n"
}

// trusting is a system with the names of the documentation that trusts proxies on this machine.
func trusting(t *testing.T) *system {
	t.Helper()
	config := apiConfig
	config.TrustedProxies = []string{"127.0.0.1"}
	config.HTTPHosts = []string{"settings.example.org"}
	s := newSystem(t, config)
	s.startWorker()
	return s
}

// through returns the system as it is reached over another base.
func (s *system) through(base string, trust *tls.Config) *system {
	other := *s
	transport := &http.Transport{DisableCompression: true, TLSClientConfig: trust.Clone()}
	s.t.Cleanup(transport.CloseIdleConnections)
	other.base, other.trust = base, trust
	other.client = &http.Client{Transport: transport, Timeout: ample}
	return &other
}

// TestProxiesDocumented: the configurations of docs/operations.md do what is said there.
func TestProxiesDocumented(t *testing.T) {
	t.Parallel()
	files, pool := testcert.New(t, "proxy")
	both := filepath.Join(t.TempDir(), "settings.pem")
	var pem []byte
	for _, f := range []string{files.Cert, files.Key} {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		pem = append(pem, data...)
	}
	writeFile(t, both, string(pem))
	for name, command := range map[string]func(dir, config string) []string{
		"nginx": func(dir, config string) []string { return nginx(t, dir, config) },
		"caddyfile": func(dir, config string) []string {
			path := writeFile(t, filepath.Join(dir, "Caddyfile"), "{\nadmin off\nauto_https disable_redirects\nservers {\nprotocols h1 h2\n}\n}\n"+config)
			return []string{programPath(t, "caddy"), "run", "--adapter", "caddyfile", "--config", path}
		},
		"haproxy": func(dir, config string) []string {
			return []string{programPath(t, "haproxy"), "-db", "-f", writeFile(t, filepath.Join(dir, "haproxy.cfg"), config)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := trusting(t)
			addr := startProxy(t, func(addr, dir string) []string {
				_, port, _ := strings.Cut(addr, ":")
				return command(dir, strings.NewReplacer(
					"127.0.0.1:8080", strings.TrimPrefix(s.base, "http://"),
					"listen 443", "listen "+addr, "bind :443", "bind "+addr,
					"settings.example.org {", "https://localhost:"+port+" {",
					"/etc/ssl/settings.crt", files.Cert, "/etc/ssl/settings.key", files.Key,
					"/etc/ssl/settings.pem", both,
				).Replace(documented(t, name)))
			})
			_, port, _ := strings.Cut(addr, ":")
			s.through("https://localhost:"+port, &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}).
				checkProxy(t)
		})
	}
}

// checkProxy tries what proxies are known to break.
func (s *system) checkProxy(t *testing.T) {
	t.Helper()
	eventually(t, "the proxy finds the API", func() bool {
		return s.do("GET", "/readyz", "").status == http.StatusOK
	})
	a := s.do("GET", "/user/a%2Fb/settings", "")
	if a.status != http.StatusOK || a.header.Get("Strict-Transport-Security") == "" {
		t.Errorf("%d %v", a.status, a.header)
	}
	s.checkStreams(t)
	large := `{"a":"` + strings.Repeat("x", 3000) + `"}`
	s.do("PUT", "/user/large/settings", large, isJSON)
	a = s.do("GET", "/user/large/settings", "", takesGzip)
	if a.header.Get("ETag") != `"1-gzip"` || unzipped(t, a) != large {
		t.Errorf("compressed: %v", a.header)
	}
	if a := s.do("PUT", "/user/large/settings", "{}", isJSON, "If-Match: "+a.header.Get("ETag")); a.status != http.StatusOK {
		t.Errorf("a write with that tag: %d %s", a.status, a.body)
	}
	a = s.do("PUT", "/user/a%2Fb/settings/x%2Fy", `1`, isJSON)
	if b := s.do("GET", "/user/a%2Fb/settings", ""); a.status != http.StatusCreated || b.body != `{"x/y":1}` {
		t.Errorf("slashes in ids and keys: %d, and then %s", a.status, b.body)
	}
}

// checkStreams tries all three streams. What is imported is more than fits into the buffers on its
// way, and has many outcomes.
func (s *system) checkStreams(t *testing.T) {
	t.Helper()
	watcher := s.watch(t, "/user/watched/events")
	watcher.hears(`{"version":0}`)
	s.do("PUT", "/user/watched/settings", `{}`, isJSON)
	if e, _ := watcher.next(); e.id != "1" {
		t.Errorf("the next event is %+v", e)
	}
	watcher.stop()

	const lines = 10_000
	var body strings.Builder
	padding := strings.Repeat("x", 1000)
	for i := range lines {
		if i%50 == 0 {
			fmt.Fprintf(&body, `{"user":"u%d","settings":{"a":"%s"}}`+"\n", i, padding)
		} else {
			fmt.Fprintf(&body, `{"user":"","pad":"%s"}`+"\n", padding)
		}
	}
	a := s.do("POST", "/users/import", body.String(), isLines)
	end := fmt.Sprintf(`{"end":true,"lines":%d,"applied":%d,"failed":%d}`+"\n", lines, lines/50, lines-lines/50)
	if a.status != http.StatusOK || !strings.HasSuffix(a.body, end) {
		t.Errorf("import: %d %v, %d bytes: …%s", a.status, a.header, len(a.body), a.body[max(0, len(a.body)-300):])
	}
	a = s.do("GET", "/users/export", "")
	if a.status != http.StatusOK || !strings.HasSuffix(a.body, fmt.Sprintf(`{"end":true,"users":%d}`+"\n", lines/50+1)) {
		t.Errorf("export: %d %v …%s", a.status, a.header, a.body[max(0, len(a.body)-300):])
	}
}
