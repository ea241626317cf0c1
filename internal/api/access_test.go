package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/nats-io/nats.go"
	"pgregory.net/rapid"

	"github.com/outset-settings/outset/internal/access"
	"github.com/outset-settings/outset/internal/api"
)

// theirs are spellings of ids that are not ann's, and mine of hers.
var (
	theirs = []string{"bob", "Ann", "ann%20", "%20ann", "ann%2F", "ann%00", "a%6En", "an", "annn", "*", "%3E", "%zz", "ann.", "日"}
	mine   = []string{"ann", "%61nn", "a%6e%6E"}
)

// wrong is a request of somebody who may not send it.
type wrong struct {
	rule         *access.Rule
	method, path string
	header       string // with the token
	scope        string // of a service
	want         int    // the status
}

// fatal is what a test and a property have in common.
type fatal interface {
	Fatal(...any)
	Fatalf(string, ...any)
}

// refuses fails the test unless the request is refused as it should be, alone and in a batch.
func (s *secured) refuses(t fatal, w *wrong) {
	headers := []string{w.header, isJSON, "X-Request-ID: same"}
	body := ""
	if w.method != http.MethodGet && w.method != http.MethodHead {
		body = `{"a":1}`
	}
	a := s.do(w.method, w.path, body, headers...)
	if a.status != w.want {
		t.Fatalf("%s %s (%s) is answered with %d %s, not %d", w.method, w.path, w.scope, a.status, a.body, w.want)
	}
	checkRefusal(t, a, w)
	if w.want == http.StatusNotFound {
		nothing := s.do(w.method, nowhereLike(w.path), body, headers...)
		if a.body != nothing.body || steady(a.header) != steady(nothing.header) {
			t.Fatalf("%s %s is told from a route that doesn't exist:\n%v %s\n%v %s", w.method, w.path,
				a.header, a.body, nothing.header, nothing.body)
		}
	}
	if w.want != http.StatusUnauthorized && strings.HasPrefix(w.path, "/user/") &&
		!strings.Contains(w.path, "/events") && strings.IndexFunc(w.path, func(r rune) bool { return r > '~' }) < 0 {
		s.checkMember(t, w, body)
	}
}

// pathOfRule is a path that the rule is about, of the user with this id, with the parameter that
// needs more if there is one and it is wanted.
func pathOfRule(r *access.Rule, id string, more bool) string {
	path := strings.NewReplacer(":id", id, ":version", "1", "*", "a/b").Replace(r.Path)
	if more && len(r.With) > 0 {
		path += "?" + r.With[0].Parameter + "=" + r.With[0].Value
	}
	return path
}

// lacks tells whether a service with just this scope may not send the request.
func lacks(t fatal, scope string, r *access.Rule, path string) bool {
	has, err := access.ParseScope(strings.Fields(scope))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := url.Parse(path)
	if err != nil {
		t.Fatal(err)
	}
	query := parsed.Query()
	return !has.Allows(r.Needs(query.Get))
}

// spy counts what the API sends to workers.
func (s *secured) spy(t *testing.T) *atomic.Int64 {
	t.Helper()
	var asked atomic.Int64
	nc := s.dial()
	spy, err := nc.Subscribe("settings.v1.>", func(*nats.Msg) { asked.Add(1) })
	if err != nil {
		t.Fatal(err)
	}
	if err := spy.SetPendingLimits(-1, -1); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return &asked
}

// TestEveryWrongIdentity: every route refuses, with every method, alone and in a batch, whoever has
// no token, a bad one, that of another user, or one of a service that lacks the scope.
func TestEveryWrongIdentity(t *testing.T) {
	t.Parallel()
	s := newSecured(t)
	asked := s.spy(t)
	ann, expired := s.user("ann"), s.user("ann", jwt.MapClaims{"exp": time.Now().Add(-time.Hour).Unix()})
	tried := 0
	for i := range access.Routes {
		r := &access.Routes[i]
		if r.Who == access.Public {
			continue
		}
		methods := []string{r.Method}
		if r.Method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
		for _, method := range methods {
			for _, more := range []bool{false, true}[:1+min(len(r.With), 1)] {
				path := pathOfRule(r, "bob", more)
				all := []wrong{
					{r, method, path, "X-Nobody: 1", "", http.StatusUnauthorized},
					{r, method, path, expired, "", http.StatusUnauthorized},
				}
				if r.Who != access.Signed {
					all = append(all, wrong{r, method, path, ann, "", http.StatusNotFound})
				}
				for _, scope := range append(access.ScopeNames(), "") {
					if lacks(t, scope, r, path) {
						all = append(all, wrong{r, method, path, s.service(scope), scope, http.StatusForbidden})
					}
				}
				for n := range all {
					s.refuses(t, &all[n])
				}
				tried += len(all)
			}
		}
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("the workers heard of %d requests", n)
	}
	t.Logf("%d requests were refused", tried)
}

// TestWrongIdentity: the same, however an id or a token is spelt.
func TestWrongIdentity(t *testing.T) {
	t.Parallel()
	s := newSecured(t)
	asked := s.spy(t)
	ann, expired := s.user("ann"), s.user("ann", jwt.MapClaims{"exp": time.Now().Add(-time.Hour).Unix()})
	rapid.Check(t, func(t *rapid.T) {
		rule := rapid.SampledFrom(access.Routes).Draw(t, "route")
		id := rapid.SampledFrom(append(theirs, mine...)).Draw(t, "id")
		w := wrong{rule: &rule, method: rule.Method, path: pathOfRule(&rule, id, rapid.Bool().Draw(t, "with"))}
		if _, err := url.Parse(w.path); err != nil || rule.Who == access.Public {
			return // Go's client can't send it, or everybody may
		}
		if w.method == http.MethodGet && rapid.Bool().Draw(t, "HEAD") {
			w.method = http.MethodHead
		}
		w.header, w.want = "X-Nobody: 1", http.StatusUnauthorized
		switch rapid.SampledFrom([]string{"bad", "user", "service"}).Draw(t, "who") {
		case "bad":
			w.header = rapid.SampledFrom([]string{
				expired, "Authorization: Bearer x.y.z", "Authorization: Bearer", "Authorization: Basic YTpi",
				"Cookie: outset_events=x", "Cookie: session=" + strings.TrimPrefix(ann, "Authorization: Bearer "),
			}).Draw(t, "token")
		case "user":
			w.header, w.want = ann, http.StatusNotFound
			if decoded, err := url.PathUnescape(id); rule.Who == access.Signed ||
				rule.Who == access.Owner && err == nil && decoded == "ann" {
				return // they may
			}
		case "service":
			w.scope = rapid.SampledFrom(append(access.ScopeNames(), "")).Draw(t, "scope")
			w.header, w.want = s.service(w.scope), http.StatusForbidden
			if !lacks(t, w.scope, &rule, w.path) {
				return
			}
		}
		s.refuses(t, &w)
	})
	if n := asked.Load(); n > 0 {
		t.Errorf("the workers heard of %d requests", n)
	}
}

// nowhereLike is a path that no route has. It is as deep as the other, since the reference to the
// page about a problem is relative to the path.
func nowhereLike(path string) string {
	path, _, _ = strings.Cut(path, "?")
	return strings.Repeat("/no", strings.Count(path, "/"))
}

// checkMember sends the request as a member of a multi-request.
func (s *secured) checkMember(t fatal, w *wrong, body string) {
	method, path, want := w.method, w.path, w.want
	operation := func(path string) string {
		o := map[string]any{"method": method, "path": path}
		if body != "" {
			o["body"] = json.RawMessage(body)
		}
		data, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	a := s.do(http.MethodPost, "/batch", `{"operations":[`+operation(path)+`,`+operation(nowhereLike(path))+`]}`,
		w.header, isJSON)
	var answer struct{ Results []result }
	if err := json.Unmarshal([]byte(a.body), &answer); err != nil || len(answer.Results) != 2 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	got, nothing := answer.Results[0], answer.Results[1]
	if got.Status != want {
		t.Fatalf("%s %s in a batch is answered with %d %s, not %d", method, path, got.Status, got.Body, want)
	}
	if want == http.StatusNotFound && withoutID(string(got.Body)) != withoutID(string(nothing.Body)) {
		t.Fatalf("%s %s in a batch is told from a route that doesn't exist:\n%s\n%s", method, path, got.Body, nothing.Body)
	}
}

var requestIDMember = regexp.MustCompile(`"requestId":"[^"]*"`)

func withoutID(body string) string { return requestIDMember.ReplaceAllString(body, "") }

// steady is a header without what differs from answer to answer.
func steady(h http.Header) string {
	h = h.Clone()
	h.Del("Date")
	return fmt.Sprint(h)
}

// checkRefusal: it says what RFC 6750 has for it, and nothing else.
func checkRefusal(t fatal, a answer, w *wrong) {
	header, scope, rule := w.header, w.scope, w.rule
	challenges := a.header.Values("WWW-Authenticate")
	var want []string
	switch a.status {
	case http.StatusUnauthorized:
		want = []string{`Bearer realm="outset"`}
		if strings.HasPrefix(header, "Authorization: Bearer") ||
			rule.Cookie && strings.HasPrefix(header, "Cookie: outset_events") {
			want[0] += `, error="invalid_token"`
		}
	case http.StatusForbidden:
		if len(challenges) != 1 {
			break
		}
		lacking, ok := strings.CutPrefix(challenges[0], `Bearer realm="outset", error="insufficient_scope", scope="`)
		lacking = strings.TrimSuffix(lacking, `"`)
		if needed, err := access.ParseScope([]string{lacking}); !ok || err != nil || lacking == scope ||
			needed == access.Admin && rule.Scope != access.Admin {
			t.Fatalf("scope %q: it is told to get %s", scope, challenges[0])
		}
		return
	}
	if !slices.Equal(challenges, want) {
		t.Fatalf("%d: WWW-Authenticate is %q, not %q", a.status, challenges, want)
	}
}

// TestRightIdentity: each route works for its owner, and for a service with just its scope.
func TestRightIdentity(t *testing.T) {
	t.Parallel()
	s := newSecured(t)
	s.startWorker()
	bodies := map[string]string{
		"PUT /user/:id/settings": `{"a":1}`, "POST /user/:id/settings": `{"a":2}`, "PATCH /user/:id/settings": `{"a":3}`,
		"PUT /user/:id/settings/*": `{"c":1}`, "POST /batch": `{"operations":[{"method":"GET","path":"/user/ann/settings"}]}`,
		"PUT /schema": `{}`, "POST /tokens": `{"name":"a","scopes":["users:list"]}`, "POST /users/import": `{"user":"ann","settings":{}}` + "\n",
	}
	type caller struct{ name, header string }
	for _, rule := range access.Routes {
		if rule.Who == access.Public {
			continue
		}
		var callers []caller
		if rule.Who == access.Owner {
			callers = append(callers, caller{"the owner", s.user("ann")})
		}
		if rule.Who == access.Signed {
			callers = append(callers, caller{"a user", s.user("ann")})
		}
		callers = append(callers, caller{"a service", s.service(rule.Scope.String())}, caller{"an administrator", s.service("admin")})
		for _, c := range callers {
			for path, body := range map[string]string{"/user/ann/settings": `{"a":{"b":1}}`, "/schema": "{}"} {
				if a := s.do(http.MethodPut, path, body, isJSON, s.service("admin")); a.status != http.StatusOK {
					t.Fatalf("preparing: %d %s", a.status, a.body)
				}
			}
			name := rule.Method + " " + rule.Path
			path := strings.NewReplacer(":id", "%61nn", ":version", "1", "*", "a/b").Replace(rule.Path)
			if strings.HasSuffix(path, "/events") {
				stream := s.watch(t, path, c.header)
				if got := stream.answer.status; got != http.StatusOK {
					t.Errorf("%s: %s gets %d", name, c.name, got)
				}
				continue
			}
			if rule.Path == "/tokens/:id" {
				path = "/tokens/" + s.makeToken(t, s.service("admin"), bodies["POST /tokens"]).ID
			}
			contentType := isJSON
			if path == "/users/import" {
				contentType = "Content-Type: application/x-ndjson"
			}
			if strings.Contains(path, "/history/") { // an erasure takes the first version along
				var p page
				a := s.do(http.MethodGet, "/user/ann/history", "", s.service("admin"))
				if err := json.Unmarshal([]byte(a.body), &p); err != nil {
					t.Fatal(err)
				}
				path = strings.Replace(path, "/1", fmt.Sprint("/", p.Versions[0].Version), 1)
			}
			a := s.do(rule.Method, path, bodies[name], contentType, c.header)
			if a.status >= http.StatusBadRequest || path == "/users/import" && strings.Contains(a.body, `"error"`) {
				t.Errorf("%s: %s gets %d %s", name, c.name, a.status, a.body)
			}
		}
	}
}

// TestPublic: what is public needs no token, and a bad one doesn't matter.
func TestPublic(t *testing.T) {
	t.Parallel()
	s := newSecured(t, func(c *api.Config) { c.Console = true })
	s.startWorker()
	eventually(t, "it is ready", func() bool { return s.do("GET", "/readyz", "").status == http.StatusOK })
	for _, rule := range access.Routes {
		if rule.Who != access.Public {
			continue
		}
		file := "start.js"
		if strings.HasPrefix(rule.Path, "/console") {
			file = "main.js"
		}
		path := strings.NewReplacer(":file", file, ":kind", "internal").Replace(rule.Path)
		for _, header := range []string{"X-Nobody: 1", "Authorization: Bearer x"} {
			if a := s.do(rule.Method, path, "", header); a.status != http.StatusOK {
				t.Errorf("%s with %s: %d %s", path, header, a.status, a.body)
			}
		}
	}
	for _, path := range []string{"/nowhere", "/user", "/user/ann"} {
		if a := s.do("GET", path, ""); a.status != http.StatusNotFound && a.status != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}
