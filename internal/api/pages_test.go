package api_test

import (
	"encoding/json"
	"html"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/outset-settings/outset/internal/api"
)

// TestProblemPages: each kind has its page, to which the type of its problems leads.
func TestProblemPages(t *testing.T) {
	t.Parallel()
	problems := api.Problems()
	if got, want := api.Explained(), slices.Sorted(maps.Keys(problems)); !slices.Equal(got, want) {
		t.Errorf("there are texts for\n%v, and statuses for\n%v", got, want)
	}
	s := newSystem(t, apiConfig)
	list := s.do("GET", "/problems", "")
	checkPage(t, list)
	example := regexp.MustCompile(`(?s)<pre[^>]*>(.*)\n\n(.*)</pre>`)
	for kind, row := range problems {
		a := s.do("GET", "/problems/"+kind, "")
		checkPage(t, a)
		if !strings.Contains(list.body, `<a href="problems/`+kind+`">`) {
			t.Errorf("%s is not in the list", kind)
		}
		for _, heading := range []string{
			"What it means", "Was anything changed?", "What to do",
			"An example",
		} {
			if !regexp.MustCompile(`<h2>` + regexp.QuoteMeta(heading) + `</h2>\n<(p|pre)\b[^>]*>[^<]`).MatchString(a.body) {
				t.Errorf("%s says nothing under %q", kind, heading)
			}
		}
		found := example.FindStringSubmatch(a.body)
		if found == nil {
			t.Errorf("%s has no example", kind)
			continue
		}
		var p struct {
			Type, Kind, Title string
			Status            int
		}
		if err := json.Unmarshal([]byte(html.UnescapeString(found[2])), &p); err != nil ||
			p.Type != "../../problems/"+kind || p.Kind != kind || p.Title != row.Title || p.Status != row.Status {
			t.Errorf("%s has the example %s: %v", kind, found[2], err)
		}
		if strings.Contains(found[1], "Retry-After: ") != row.Again {
			t.Errorf("%s may help to repeat: %v, and the example has %s", kind, row.Again, found[1])
		}
	}

	a := s.do("GET", "/nowhere", "")
	var p struct{ Type string }
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		t.Fatal(err)
	}
	if to := s.do("GET", follow(t, "/nowhere", p.Type), ""); to.status != http.StatusOK {
		t.Errorf("the type of a problem leads to %d", to.status)
	}
	for _, path := range []string{
		"/problems/", "/problems/brand-new", "/problems/malformed/",
		"/problems/%2e%2e", "/problems/<script>", "/Problems",
	} {
		if a := s.do("GET", path, ""); a.status != http.StatusNotFound ||
			a.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %+v", path, a)
		}
	}
}

// TestLandingPage: all that it links to is there.
func TestLandingPage(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	home := s.do("GET", "/", "")
	checkPage(t, home)
	links := regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(home.body, -1)
	if len(links) < 4 {
		t.Errorf("it links to %v", links)
	}
	for _, link := range links {
		if strings.HasPrefix(link[1], "/") { // it would not survive a proxy's prefix
			t.Errorf("%s is not relative to the page", link[1])
		}
		if a := s.do("GET", "/"+link[1], ""); a.status != http.StatusOK {
			t.Errorf("%s: %d", link[1], a.status)
		}
	}
}

func checkPage(t *testing.T, a answer) {
	t.Helper()
	if a.status != http.StatusOK || a.header.Get("Content-Type") != "text/html; charset=utf-8" ||
		!strings.HasPrefix(a.body, "<!DOCTYPE html>\n<html lang=\"en\">") {
		t.Errorf("no page: %+v", a)
	}
	policy := a.header.Get("Content-Security-Policy")
	for _, directive := range []string{
		"default-src 'none'", "base-uri 'none'",
		"form-action 'none'", "frame-ancestors 'none'",
	} {
		if !strings.Contains(policy, directive) {
			t.Errorf("the policy is %s", policy)
		}
	}
	for name, want := range map[string]string{
		"X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
		"X-Content-Type-Options": "nosniff", "Cross-Origin-Opener-Policy": "same-origin",
	} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") {
		t.Errorf("the policy is %s", policy)
	}
	for _, never := range []string{"<script src=\"http", "<script>", "ZgotmplZ", "&lt;nil&gt;"} {
		if strings.Contains(a.body, never) {
			t.Errorf("it has %q: %s", never, a.body)
		}
	}
}

// TestDocs: the description, and all that the page about it asks for, come from here.
func TestDocs(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	docs := s.do("GET", "/docs", "")
	checkPage(t, docs)
	types := map[string]string{
		"openapi.json": "application/json", "docs/start.js": "text/javascript; charset=utf-8",
		"docs/style.css": "text/css; charset=utf-8", "problems": "text/html; charset=utf-8",
	}
	links := regexp.MustCompile(`(?:href|src)="([^":]+)"`).FindAllStringSubmatch(docs.body, -1)
	if len(links) != len(types) {
		t.Errorf("it has the links %v", links)
	}
	for _, link := range links {
		a := s.do("GET", "/"+link[1], "")
		if a.status != http.StatusOK || a.header.Get("Content-Type") != types[link[1]] ||
			len(a.body) == 0 {
			t.Errorf("%s: %d %v", link[1], a.status, a.header)
		}
	}
	for _, path := range []string{
		"/docs/", "/docs/index.html", "/docs/docs.js", "/docs/docs.html", "/docs/x/style.css",
		"/docs/..%2Fopenapi.json", "/docs/%2e%2e%2fopenapi.json", "/docs/docs",
	} {
		if a := s.do("GET", path, ""); a.status != http.StatusNotFound ||
			a.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %+v", path, a)
		}
	}
}

// TestPagesAreKept: who has a page need not get it again, and HEAD tells what GET would.
func TestPagesAreKept(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	seen := make(map[string]bool)
	for _, path := range []string{
		"/problems", "/problems/malformed", "/problems/internal",
		"/openapi.json", "/docs", "/docs/style.css", "/client.js", "/client.d.ts",
	} {
		a := s.do("GET", path, "")
		tag := a.header.Get("ETag")
		if tag == "" || seen[tag] {
			t.Errorf("%s: the ETag %q is missing or another's", path, tag)
		}
		seen[tag] = true
		for _, have := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
			if again := s.do("GET", path, "",
				"If-None-Match: "+have); again.status != http.StatusNotModified || again.body != "" || again.header.Get("ETag") != tag {
				t.Errorf("%s, %s: %d %v", path, have, again.status, again.header)
			}
		}
		if again := s.do("GET", path, "", `If-None-Match: "x"`); again.status != http.StatusOK || again.body != a.body {
			t.Errorf("%s: %d", path, again.status)
		}
		if head := s.do("HEAD", path, ""); head.status != http.StatusOK || head.body != "" ||
			head.header.Get("ETag") != tag ||
			head.header.Get("Content-Type") != a.header.Get("Content-Type") ||
			head.header.Get("Content-Length") != a.header.Get("Content-Length") {
			t.Errorf("HEAD %s: %v, GET: %v", path, head.header, a.header)
		}
	}
}
