package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/outset-settings/outset/internal/api"
)

// below serves the system under a prefix, as a proxy does that takes it away.
func (s *system) below(t *testing.T, prefix string) (base string) {
	t.Helper()
	target, err := url.Parse(s.base)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableCompression: true}
	proxy := httptest.NewServer(http.StripPrefix(prefix, &httputil.ReverseProxy{
		Transport: transport, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
	}))
	t.Cleanup(func() {
		proxy.Close()
		transport.CloseIdleConnections()
	})
	return proxy.URL + prefix
}

// TestPrefix: every reference that is handed out leads to the right place under the prefix of a
// proxy that takes it away, since all are relative to the address of the request.
func TestPrefix(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	s.base, s.prefix = s.below(t, "/a/b"), "/a/b"
	s.checkReferences(t)
}

// checkReferences follows every kind of reference from the system's base, which has a prefix.
func (s *system) checkReferences(t *testing.T) {
	t.Helper()
	base, err := url.Parse(s.base)
	if err != nil {
		t.Fatal(err)
	}
	root := *s // asks for whole addresses
	root.base = base.Scheme + "://" + base.Host
	// leads fails the test unless the reference in the answer to a path leads below the prefix.
	leads := func(path, reference string) answer {
		t.Helper()
		to := follow(t, base.Path+path, reference)
		if reference == "" || !strings.HasPrefix(to, base.Path+"/") {
			t.Errorf("%s has %q, which leads to %s", path, reference, to)
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, root.base+to, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		a, err := root.try(http.MethodGet, r.URL.RequestURI(), "")
		if err != nil || a.status != http.StatusOK {
			t.Errorf("%s has %q, which answers %d, %v", path, reference, a.status, err)
		}
		return a
	}
	for path, status := range map[string]int{
		"/nowhere": 404, "/user/42/nowhere": 404, "/user/42/settings/a/b/c": 404,
		"/users?limit=0": 400, "/user/42/history/9": 404, "/user/%FF/settings": 400,
	} {
		a := s.do("GET", path, "")
		var p struct{ Type, Kind string }
		if err := json.Unmarshal([]byte(a.body), &p); err != nil || a.status != status {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
		if page := leads(path, p.Type); !strings.Contains(page.body, p.Kind) {
			t.Errorf("%s: the page of %s isn't that of %s", path, p.Type, p.Kind)
		}
	}

	for _, user := range []string{"42", "43"} {
		s.do("PUT", "/user/"+user+"/settings", `{"list":[1]}`, isJSON)
	}
	a := s.do("PUT", "/user/42/settings/list/-/deep:er/x", `1`, isJSON)
	leads("/user/42/settings/list/-/deep:er/x", a.header.Get("Location"))
	a = s.do("PUT", "/user/42/settings/list/-", `2`, isJSON)
	leads("/user/42/settings/list/-", a.header.Get("Location"))
	for _, path := range []string{"/users?limit=1", "/user/42/history?limit=1"} {
		var page struct{ Next string }
		a := s.do("GET", path, "")
		if err := json.Unmarshal([]byte(a.body), &page); err != nil {
			t.Fatal(err)
		}
		leads(path, page.Next)
		link := strings.TrimSuffix(strings.TrimPrefix(a.header.Get("Link"), "<"), `>; rel="next"`)
		leads(path, link)
	}

	// those in a batch are what they would be by themselves
	a = s.do("POST", "/batch", `{"operations":[{"method":"GET","path":"/user/42/settings/x/y"}]}`, isJSON)
	var results struct {
		Results []struct{ Body struct{ Type string } }
	}
	if err := json.Unmarshal([]byte(a.body), &results); err != nil {
		t.Fatal(err)
	}
	leads("/user/42/settings/x/y", results.Results[0].Body.Type)
	a = s.do("POST", "/users/import", "{}\n", isLines)
	var line struct{ Error struct{ Type string } }
	first, _, _ := strings.Cut(a.body, "\n")
	if err := json.Unmarshal([]byte(first), &line); err != nil {
		t.Fatal(err)
	}
	leads("/users/import", line.Error.Type)

	var description struct{ Servers []struct{ URL string } }
	a = s.do("GET", "/openapi.json", "")
	if err := json.Unmarshal([]byte(a.body), &description); err != nil {
		t.Fatal(err)
	}
	server := follow(t, base.Path+"/openapi.json", description.Servers[0].URL)
	if strings.TrimSuffix(server, "/") != base.Path {
		t.Errorf("the server of the description is %s", server)
	}
	for _, path := range []string{"/", "/docs", "/problems", "/problems/malformed"} {
		a := s.do("GET", path, "")
		for _, m := range regexp.MustCompile(`(?:href|src)="([^":]+)"`).FindAllStringSubmatch(a.body, -1) {
			leads(path, m[1])
		}
	}
}

// TestValueReference: what a "-" has become, from where it was.
func TestValueReference(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ from, to, want string }{
		{"a/-", "a/3", "3"},
		{"a/-/b", "a/0/b", "../0/b"},
		{"-/-/-", "2/0/0", "../../2/0/0"},
		{"a/-/b:c", "a/0/b:c", "../0/b:c"},
		{"-/b:c", "-/b:c", "./b:c"},
		{"-/..", "1/..", "../1/%2E%2E"},
	} {
		got := api.ValueReference(strings.Split(c.from, "/"), strings.Split(c.to, "/"))
		if got != c.want {
			t.Errorf("from %s to %s: %s, want %s", c.from, c.to, got, c.want)
		}
	}
}
