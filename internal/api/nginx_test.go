//go:build proxies

package api_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestProxiesNginxDefaults: streams work through nginx as it is, which buffers and speaks HTTP/1.0
// to the API.
func TestProxiesNginxDefaults(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	base := startNginx(t, `server { listen ADDR; client_max_body_size 20m; location / { proxy_pass `+s.base+`; } }`)
	p := s.through(base, nil)
	p.checkStreams(t)
	if a := p.do("HEAD", "/users/export", ""); a.status != http.StatusOK || a.body != "" {
		t.Errorf("HEAD: %d %v", a.status, a.header)
	}
	large := `{"a":"` + strings.Repeat("x", 60_000) + `"}`
	p.do("PUT", "/user/large/settings", large, isJSON)
	p.has("large", 1, large)
}

// TestProxiesNginxPrefix: nginx takes a prefix away, and every reference still leads somewhere.
func TestProxiesNginxPrefix(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	base := startNginx(t, `server { listen ADDR; location /api/ { proxy_pass `+s.base+`/; } }`)
	p := s.through(base+"/api", nil)
	p.prefix = "/api"
	p.checkReferences(t)
}

// TestProxiesNginxRawPrefix: the documented configuration takes a prefix away and nothing else.
func TestProxiesNginxRawPrefix(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	p := s.through(startNginx(t, strings.NewReplacer(
		"http://127.0.0.1:8080", s.base, "listen 80", "listen ADDR",
	).Replace(documented(t, "nginx-prefix")))+"/api", nil)
	p.prefix = "/api"
	p.checkReferences(t)
	a := p.do("PUT", "/user/a%2Fb%20c/settings/x%2Fy", `1`, isJSON)
	if b := s.do("GET", "/user/a%2Fb%20c/history?limit=1", ""); a.status != http.StatusCreated ||
		!strings.Contains(b.body, `"version":1`) {
		t.Errorf("%d %s, and then %s", a.status, a.body, b.body)
	}
	if b := p.do("GET", "/user/a%2Fb%20c/settings/x%2Fy", ""); b.body != "1" {
		t.Errorf("%d %s", b.status, b.body)
	}
}

// TestProxiesNginxGzip: nginx leaves what is compressed already alone, and its strong tag with it.
// It compresses the rest and makes the tag weak, which is good for a read and not for a write.
func TestProxiesNginxGzip(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	p := s.through(startNginx(t, `server {
		listen ADDR; gzip on; gzip_types application/json; gzip_proxied any; gzip_http_version 1.0;
		location / { proxy_pass `+s.base+`; } }`), nil)
	large := `{"a":"` + strings.Repeat("x", 3000) + `"}`
	small := `{"a":"` + strings.Repeat("x", 500) + `"}`
	s.do("PUT", "/user/large/settings", large, isJSON)
	s.do("PUT", "/user/small/settings", small, isJSON)

	a := p.tryGzip(t, "/user/large/settings")
	if !strings.HasPrefix(a.header.Get("ETag"), `"1-`) || !strings.HasSuffix(a.header.Get("ETag"), `-gzip"`) ||
		unzipped(t, a) != large {
		t.Errorf("large: %v", a.header)
	}
	if b := p.do("PUT", "/user/large/settings", "{}", isJSON, "If-Match: "+a.header.Get("ETag")); b.status != http.StatusOK {
		t.Errorf("a write with that tag: %d %s", b.status, b.body)
	}
	a = p.tryGzip(t, "/user/small/settings")
	tag := a.header.Get("ETag")
	if !strings.HasPrefix(tag, `W/"1-`) || unzipped(t, a) != small {
		t.Errorf("small: %v", a.header)
	}
	if b := p.do("GET", "/user/small/settings", "", "If-None-Match: "+tag); b.status != http.StatusNotModified {
		t.Errorf("a read with a weak tag: %d", b.status)
	}
	if b := p.do("PUT", "/user/small/settings", "{}", isJSON, "If-Match: "+tag); b.status != http.StatusPreconditionFailed ||
		!strings.Contains(b.body, "a weak entity tag (W/) never matches If-Match") {
		t.Errorf("a write with a weak tag: %d %s", b.status, b.body)
	}
}

// tryGzip asks for the compressed form. The answer isn't held against the contract, which has no
// weak tags.
func (s *system) tryGzip(t *testing.T, path string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.base+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept-Encoding", "gzip")
	response, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{status: response.StatusCode, header: response.Header, body: string(body)}
}
