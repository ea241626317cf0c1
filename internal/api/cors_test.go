package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/outset-settings/outset/internal/api"
)

const appOrigin = "https://app.example.org"

// TestCORS: pages of the configured origins may use the API, those of no other.
func TestCORS(t *testing.T) {
	t.Parallel()
	config := apiConfig
	config.CORSOrigins = []string{"https://other.example.org:8443", "HTTPS://App.Example.ORG"}
	s := newSystem(t, config)
	s.startWorker()
	const path = "/user/42/settings"

	for _, a := range []answer{
		s.do("PUT", path, `{"theme":"dark"}`, isJSON, "Origin: "+appOrigin),
		s.do("GET", path, "", "Origin: "+appOrigin),
		s.do("GET", path, "", "Origin: "+appOrigin, `If-None-Match: "1"`),
		s.do("PUT", path, `[]`, isJSON, "Origin: "+appOrigin), // problems can be read, too
		s.do("GET", "/nowhere", "", "Origin: "+appOrigin),
		s.do("POST", "/limits", "", "Origin: "+appOrigin),
		s.do("PUT", path, strings.Repeat(" ", 70_000), isJSON, "Origin: "+appOrigin), // not even read
	} {
		if got := a.header.Get("Access-Control-Allow-Origin"); got != appOrigin {
			t.Errorf("%d: %q is allowed", a.status, got)
		}
		if got, want := a.header.Get("Access-Control-Expose-Headers"),
			"ETag,Last-Modified,Location,Link,Idempotency-Replayed,"+
				"Preference-Applied,Accept-Patch,Accept-Encoding,Retry-After,RateLimit,RateLimit-Policy,"+
				"WWW-Authenticate,X-Request-ID,Traceresponse"; got != want {
			t.Errorf("%d: exposed is %s", a.status, got)
		}
		if a.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%d: credentials are allowed", a.status)
		}
	}
	for name, header := range map[string]string{
		"no origin": "X-Other: 1", "another": "Origin: https://evil.example.org",
		"another scheme": "Origin: http://app.example.org",
		"longer":         "Origin: https://app.example.org.evil.net",
		"subdomain":      "Origin: https://x.app.example.org", "null": "Origin: null",
	} {
		a := s.do("GET", path, "", header)
		if a.status != http.StatusOK || a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %d %v", name, a.status, a.header)
		}
		// or a cache would give it to those who are allowed
		if !strings.Contains(a.header.Get("Vary"), "Origin") {
			t.Errorf("%s: Vary is %q", name, a.header.Get("Vary"))
		}
	}
}

// TestPreflight: what a browser asks before it lets a page write.
func TestPreflight(t *testing.T) {
	t.Parallel()
	config := apiConfig
	config.CORSOrigins = []string{appOrigin}
	s := newSystem(t, config)
	const path = "/user/42/settings"

	// a browser finds BREW not in the list
	for _, method := range []string{"PUT", "PATCH", "BREW"} {
		a := s.do("OPTIONS", path, "", "Origin: "+appOrigin,
			"Access-Control-Request-Method: "+method, "Access-Control-Request-Headers: if-match")
		for name, want := range map[string]string{
			"Access-Control-Allow-Origin":  appOrigin,
			"Access-Control-Allow-Methods": "GET,HEAD,PUT,POST,PATCH,DELETE",
			"Access-Control-Allow-Headers": "Authorization,Content-Type,Content-Encoding,If-Match,If-None-Match,If-Modified-Since,If-Unmodified-Since,Idempotency-Key,Prefer,X-Request-ID,Last-Event-ID,Traceparent,Tracestate",
			"Access-Control-Max-Age":       "600",
		} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", method, name, got, want)
			}
		}
		if vary := strings.Join(a.header.Values("Vary"), ", "); a.status != http.StatusNoContent ||
			a.body != "" || !strings.Contains(vary, "Origin") {
			t.Errorf("%s: %+v", method, a)
		}
	}
	if a := s.do("OPTIONS", path, "", "Origin: https://evil.example.org",
		"Access-Control-Request-Method: PUT"); a.status != http.StatusNoContent ||
		a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("another origin: %+v", a)
	}
	if a := s.do("OPTIONS", path, ""); a.status != http.StatusNoContent ||
		!strings.Contains(a.header.Get("Allow"), "PATCH") {
		t.Errorf("no preflight: %+v", a)
	}
	if a := s.do("OPTIONS", "/nowhere", ""); a.status != http.StatusNotFound {
		t.Errorf("no preflight, and nothing there: %+v", a)
	}
}

// TestCORSForAll: one answer for everybody, so that caches may share it.
func TestCORSForAll(t *testing.T) {
	t.Parallel()
	config := apiConfig
	config.CORSOrigins = []string{"*"}
	s := newSystem(t, config)
	for _, origin := range []string{appOrigin, "null", "http://127.0.0.1:3000"} {
		a := s.do("GET", "/healthz", "", "Origin: "+origin)
		if a.header.Get("Access-Control-Allow-Origin") != "*" || a.header.Get("Vary") != "" ||
			a.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: %v", origin, a.header)
		}
	}
}

// TestNoCORS: it is off unless origins are named.
func TestNoCORS(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	for _, a := range []answer{
		s.do("GET", "/healthz", "", "Origin: "+appOrigin),
		s.do("OPTIONS", "/healthz", "", "Origin: "+appOrigin),
		s.do("GET", "/nowhere", "", "Origin: "+appOrigin),
	} {
		for name := range a.header {
			if strings.HasPrefix(name, "Access-Control-") || name == "Vary" {
				t.Errorf("%d: it has %s", a.status, name)
			}
		}
	}
	a := s.do("OPTIONS", "/user/42/settings", "", "Origin: "+appOrigin,
		"Access-Control-Request-Method: PUT")
	if a.status != http.StatusNoContent || a.header.Get("Access-Control-Allow-Origin") != "" ||
		a.header.Get("Access-Control-Allow-Methods") != "" {
		t.Errorf("preflight: %+v", a)
	}
}

// TestOrigins: what no browser would send is refused at the start, in words.
func TestOrigins(t *testing.T) {
	t.Parallel()
	for _, good := range [][]string{
		nil,
		{"*"},
		{"https://app.example.org"},
		{"http://localhost:3000", "https://app.example.org:8443", "HTTPS://App.Example.org"},
		{"http://127.0.0.1:8080", "http://[::1]:8080", "https://xn--bcher-kva.example"},
		{"http://app:443"},
		{"https://app.example.org", " https://app.example.com ", ""}, // a list as people write it
	} {
		if err := api.ValidateOrigins(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{
		"null", "app.example.org", "app.example.org:80", "ftp://app.example.org", "https://",
		"https://app.example.org/",
		"https://app.example.org/x", "https://app.example.org?", "https://app.example.org#",
		"https://user@app.example.org",
		"https://*", "https://app.example.org:",
		"https://app.example.org:443", "http://app.example.org:80",
		"https://app.example.org:x", "https://bücher.example", "https://a b", "https://a,b",
		"https://[::1", "https://[app]", "https://.org", "https://a..b",
		"https://app.example.org\n", "javascript:alert(1)", "file:///x",
		"https://app.example.org:0x50",
	} {
		err := api.ValidateOrigins([]string{"https://good.example.org", bad})
		if err == nil || !strings.HasPrefix(err.Error(), "CORS_ORIGINS: ") ||
			strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if err := api.ValidateOrigins([]string{"*", "https://app.example.org"}); err == nil {
		t.Error("* beside others was taken")
	}
}

// TestCORSPatterns: https://*.NAME stands for all names below NAME, however deep, and for no other.
func TestCORSPatterns(t *testing.T) {
	t.Parallel()
	config := apiConfig
	config.CORSOrigins = []string{
		"https://*.example.com", "HTTP://*.Dev.Example.org:3000", appOrigin,
	}
	s := newSystem(t, config)
	for origin, want := range map[string]bool{
		"https://a.example.com": true, "https://b.a.example.com": true, appOrigin: true,
		"https://A.Example.Com": true, "http://x.dev.example.org:3000": true,
		"https://example.com": false, "https://evil-example.com": false, "http://a.example.com": false,
		"https://a.example.com:8443": false, "https://a.example.com.evil.net": false,
		"https://.example.com": false, "https://evil.net/.example.com": false,
		"https://evil.net:1.example.com": false, "https://u@a.example.com": false,
		"http://x.dev.example.org": false, "https://x.dev.example.org:3000": false, "null": false,
		"https://*.example.com": false, "https://a..example.com": false,
	} {
		a := s.do("GET", "/healthz", "", "Origin: "+origin)
		allowed := a.header.Get("Access-Control-Allow-Origin")
		if (allowed != "") != want || want && !strings.EqualFold(allowed, origin) ||
			a.header.Get("Vary") != "Origin" || a.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: %v", origin, a.header)
		}
	}
	for _, bad := range []string{
		"https://*", "https://*.", "https://a.*.example.com", "https://*.*.example.com", "https://*.10.0.0.1",
		"https://*example.com", "*.example.com", "https://*.example.com/", "https://*.example.com:443",
	} {
		if err := api.ValidateOrigins([]string{bad}); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

// TestCORSCredentials: pages of the listed origins may send cookies along, and never those of all.
func TestCORSCredentials(t *testing.T) {
	t.Parallel()
	config := apiConfig
	config.CORSOrigins, config.CORSCredentials = []string{"https://*.example.org"}, true
	s := newSystem(t, config)
	for _, a := range []answer{
		s.do("GET", "/healthz", "", "Origin: "+appOrigin),
		s.do("OPTIONS", "/user/42/settings", "", "Origin: "+appOrigin,
			"Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: authorization"),
	} {
		if a.header.Get("Access-Control-Allow-Origin") != appOrigin ||
			a.header.Get("Access-Control-Allow-Credentials") != "true" {
			t.Errorf("%d: %v", a.status, a.header)
		}
	}
	if a := s.do("GET", "/healthz", "", "Origin: https://example.net"); a.header.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("another origin: %v", a.header)
	}
	for _, list := range [][]string{{"*"}, nil} {
		config.CORSOrigins = list
		if _, err := api.Listen(s.connections(), config, s.log.Logger()); err == nil ||
			!strings.Contains(err.Error(), "CORS_CREDENTIALS") {
			t.Errorf("with %q: %v", list, err)
		}
	}
}
