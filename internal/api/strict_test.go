package api_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"

	"github.com/outset-settings/outset/internal/api"
)

// malformedWith fails the test unless the answer is 400 with these words in it.
func malformedWith(t *testing.T, name string, a answer, words string) {
	t.Helper()
	if a.status != http.StatusBadRequest || !isProblemOf(a, "malformed") ||
		!strings.Contains(strings.ReplaceAll(a.body, `\"`, `"`), words) {
		t.Errorf("%s: %d %s\nwant 400 with %s", name, a.status, a.body, words)
	}
}

// TestUnknownParametersAreRefused: on every route, with the nearest one that is known, and nothing
// is done.
func TestUnknownParametersAreRefused(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	for _, route := range s.api.App().GetRoutes(true) {
		path := strings.NewReplacer(":id", "42", ":version", "1", ":kind", "malformed", ":file",
			"style.css", "*", "a").Replace(route.Path)
		if route.Method == http.MethodHead {
			continue // without a body
		}
		a := s.do(route.Method, path+"?qqqqqqq=1", "")
		malformedWith(t, route.Method+" "+route.Path, a, "unknown parameter qqqqqqq; there is ")
	}
	for request, words := range map[string]string{
		"PUT /schema?dryRun=true":                  "unknown parameter dryRun; did you mean dry_run?",
		"PUT /schema?dry_run=true&dry-run=1":       "unknown parameter dry-run; did you mean dry_run?",
		"GET /users?limt=2":                        "unknown parameter limt; did you mean limit?",
		"GET /users?Limit=2":                       "unknown parameter Limit; did you mean limit?",
		"GET /users?since=2026-11-23T15:04:05Z":    "unknown parameter since; did you mean updated_since?",
		"GET /user/42/settings?effectiv=true":      "unknown parameter effectiv; did you mean effective?",
		"GET /user/42/history?cursor=1":            "unknown parameter cursor; there is limit, before",
		"GET /user/42/settings/a?effective=true":   "unknown parameter effective; there is none here",
		"GET /healthz?%3Cscript%3E=1":              `unknown parameter "<script>"; there is none here`,
		"DELETE /user/42?dry_run=true":             "unknown parameter dry_run; there is none here",
		"GET /users?limit=2&limit=3":               "the parameter limit occurs more than once",
		"PUT /schema?dry_run=true&dry_run=true":    "the parameter dry_run occurs more than once",
		"POST /users/import?dry_run=true":          "unknown parameter dry_run",
		"POST /batch?atomic=true":                  "unknown parameter atomic; there is none here",
		"GET /user/42/events?includes=settings":    "unknown parameter includes; did you mean include?",
		"GET /openapi.json?format=yaml":            "unknown parameter format; there is none here",
		"POST /user/42/history/1/restore?if=match": "unknown parameter if; there is none here",
	} {
		method, path, _ := strings.Cut(request, " ")
		malformedWith(t, request, s.do(method, path, `{"type":"object"}`, isJSON), words)
	}
	if a := s.do(http.MethodGet, "/schema", ""); a.status != http.StatusNotFound {
		t.Errorf("there is a schema: %+v", a)
	}
	s.story(t, "known ones are taken, and none at all",
		exchange{"GET /users?limit=2&updated_since=2026-11-23T15:04:05Z", "", "", 200, "", ""},
		exchange{"GET $/settings?", "", "", 200, "", `{}`},
		exchange{"GET $/settings?effective=false", "", "", 200, "", `{}`},
		exchange{"GET /nowhere?a=b", "", "", 404, "", problem("not-found")})
}

// TestUnknownParametersInBatches: each request in a batch is told by itself.
func TestUnknownParametersInBatches(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	a := s.do(http.MethodPost, "/batch", `{"operations":[
		{"method":"GET","path":"/user/42/settings?efective=true"},
		{"method":"GET","path":"/user/42/settings?effective=true"}]}`, isJSON)
	if a.status != http.StatusOK || !strings.HasPrefix(a.body, `{"results":[{"status":400,`) ||
		!strings.Contains(a.body, "did you mean effective?") ||
		!strings.Contains(a.body, `{"status":200,`) {
		t.Errorf("%+v", a)
	}
}

// TestParametersAreThoseOfOpenAPI: what a route takes is what its description lists. The names are
// read of it by a library here, and by code of ours there.
func TestParametersAreThoseOfOpenAPI(t *testing.T) {
	t.Parallel()
	c, err := readContract()
	if err != nil {
		t.Fatal(err)
	}
	s := newSystem(t, apiConfig)
	s.startWorker()
	found := 0
	for _, route := range s.api.App().GetRoutes(true) {
		operation := c.operations(api.TemplateOf(route.Path))[route.Method]
		if operation == nil {
			continue // HEAD
		}
		for _, p := range queryOf(operation) {
			found++
			path := strings.NewReplacer(":id", "42", "*", "a").Replace(route.Path)
			// Twice: it is refused for that, so it is known, and nothing is done.
			a := s.do(route.Method, fmt.Sprintf("%s?%s=x&%s=x", path, p, p), "")
			malformedWith(t, route.Method+" "+path, a, "the parameter "+p+" occurs more than once")
		}
	}
	if found < 8 {
		t.Errorf("only %d parameters were found", found)
	}
}

func queryOf(operation *v3.Operation) (names []string) {
	for _, p := range operation.Parameters {
		if p.In == "query" {
			names = append(names, p.Name)
		}
	}
	return names
}

// TestUnknownMembersAreRefused: in every body of our own, with the nearest one and the place.
func TestUnknownMembersAreRefused(t *testing.T) {
	t.Parallel()
	s := newSecured(t)
	s.startWorker()
	token := s.service("admin")
	for name, c := range map[string]struct{ request, body, words string }{
		"batch":              {"POST /batch", `{"operation":[]}`, "unknown member operation; did you mean operations?, at column 2"},
		"batch, lines":       {"POST /batch", "{\"operations\":[\n  {\"method\":\"GET\",\n   \"paht\":\"/user/1\"}]}", "operation 0: unknown member paht; did you mean path?, at line 3, column 4"},
		"batch, not JSON":    {"POST /batch", "{\"operations\":[\n  {\"method\":GET}]}", "operation 0: invalid character 'G'"},
		"token":              {"POST /tokens", `{"name":"a","scope":["admin"]}`, "unknown member scope; did you mean scopes?, at column 13"},
		"token, other case":  {"POST /tokens", `{"Name":"a","scopes":["admin"]}`, "unknown member Name; did you mean name?"},
		"token, twice":       {"POST /tokens", `{"name":"a","name":"b"}`, "the token can't be made"},
		"restore":            {"POST /user/42/history/1/restore", `{"dry_run":true}`, "this request takes no body: unknown member dry_run; there is none here"},
		"restore, a version": {"POST /user/42/history/1/restore", `[1]`, "this request takes no body"},
		"cookie":             {"POST /user/42/events/cookie", `{"maxAge":1}`, "unknown member maxAge"},
	} {
		method, path, _ := strings.Cut(c.request, " ")
		malformedWith(t, name, s.do(method, path, c.body, isJSON, token), c.words)
	}
	line := s.do(http.MethodPost, "/users/import", `{"user":"1","setings":{}}`+"\n"+
		`{"user":"2","version":7,"time":"2026-11-24T18:00:00Z","settings":{}}`+"\n",
		"Content-Type: application/x-ndjson", token)
	for _, words := range []string{
		`"line":1,"status":400,`, `unknown member setings; did you mean settings?, at column 13`,
		`"user":"2","status":200`, `"applied":1,"failed":1`,
	} {
		if !strings.Contains(line.body, words) {
			t.Errorf("import: %s\nwant %s", line.body, words)
		}
	}
	// A user's document is the user's own.
	if a := s.do(http.MethodPut, "/user/42/settings", `{"dryRun":true}`, isJSON, token); a.status != 200 {
		t.Errorf("a document: %+v", a)
	}
}

// TestBatchOfAbsoluteTarget: a target with scheme and host has the limit of its path.
func TestBatchOfAbsoluteTarget(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	host := strings.TrimPrefix(s.base, "http://")
	body := `{"operations":[{"method":"PUT","path":"/user/42/settings","body":{}}` +
		strings.Repeat(" ", 2*apiConfig.MaxDocument) + `]}`
	for target, want := range map[string]int{
		"/batch": 200, "http://" + host + "/batch": 200, "http://" + host + "/batch?": 200,
		"http://" + host + "/users":               413,
		"http://" + host + "/user/batch/settings": 413,
	} {
		conn := s.dialRaw(t)
		go func() {
			_, _ = io.WriteString(conn, rawHead("POST "+target+" HTTP/1.1", "Host: "+host, isJSON,
				fmt.Sprintf("Content-Length: %d", len(body)))+body)
		}()
		if a, err := readAnswer(bufio.NewReader(conn)); err != nil || a.status != want {
			t.Errorf("%s: %+v, %v; want %d", target, a, err, want)
		}
	}
}

// TestTrailingSlashOfAPath: it is refused with a hint, and "" before the end stays a key.
func TestTrailingSlashOfAPath(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	for _, path := range []string{"/", "/a/", "/a//", "//"} {
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
			malformedWith(t, method+" "+path, s.do(method, "/user/42/settings"+path, `1`, isJSON),
				"the path of the value ends with a slash; leave it out")
		}
	}
	s.has("42", 0, `{}`)
	s.story(t, "an empty key inside",
		exchange{"PUT $/settings//a", isJSON, `1`, 201, `ETag: "1"`, ""},
		exchange{"PUT $/settings/b//c", isJSON, `2`, 201, `ETag: "2"`, ""},
		exchange{"GET $/settings//a", "", "", 200, "", `1`},
		exchange{get, "", "", 200, "", `{"":{"a":1},"b":{"":{"c":2}}}`},
		exchange{"DELETE $/settings//a", "", "", 204, "", nothing})
}

// TestByteOrderMark: it is skipped at the beginning of an import, as files have it, and nowhere
// else.
func TestByteOrderMark(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	const mark = "\ufeff"
	a := s.do(http.MethodPost, "/users/import", mark+`{"user":"a","settings":{}}`+"\n"+
		mark+`{"user":"b","settings":{}}`+"\n", isLines)
	if !strings.Contains(a.body, `{"line":1,"user":"a","status":200`) ||
		!strings.Contains(a.body, `{"line":2,"status":400`) {
		t.Errorf("%+v", a)
	}
	s.has("a", 1, `{}`)
	for _, request := range []string{
		"PUT /user/42/settings", "PATCH /user/42/settings", "PUT /schema", "POST /batch",
	} {
		method, path, _ := strings.Cut(request, " ")
		malformedWith(t, request, s.do(method, path, mark+`{}`, isJSON), "at column 1")
	}
}

// TestPlaceOfWhatIsWrong: an error in a body of several lines names line and column.
func TestPlaceOfWhatIsWrong(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	for name, c := range map[string]struct{ request, body, words string }{
		"document":         {"PUT /user/42/settings", "{\n  \"a\": 1,\n  \"b\": nul\n}", "at line 3, column 11"},
		"one line":         {"PUT /user/42/settings", `{"a":1,"b":nul}`, "at column 15"},
		"value":            {"PUT /user/42/settings/a", "[1,\n2,]", "at line 2, column 2"},
		"lone surrogate":   {"PUT /user/42/settings/a", "\n\"\\ud83d\"", `lone surrogate \\ud83d, half of a character, in string, at line 2, column 2`},
		"one line, a half": {"PUT /user/42/settings", `{"a":"\ud83d"}`, `in string within "/a", at column 7`},
		"patch":            {"PATCH /user/42/settings", "{\r\n\"a\":}", "at line 2, column 5"},
		"schema":           {"PUT /schema", "{\n\"type\"\n:object}", "at line 3, column 2"},
		"batch":            {"POST /batch", "{\n\"operations\":{}}", "operations must be an array, at line 2, column 14"},
	} {
		method, path, _ := strings.Cut(c.request, " ")
		malformedWith(t, name, s.do(method, path, c.body, isJSON), c.words)
	}
	a := s.do(http.MethodPost, "/users/import", "\n"+`{"user":"a",settings:{}}`, isLines)
	if !strings.Contains(a.body, `{"line":2,"status":400`) || !strings.Contains(a.body, "at column 13") {
		t.Errorf("import: %+v", a)
	}
}

// TestSlashAtTheEnd: an address that ends with a slash is no other one's, and the answer says so,
// whoever asks and whether or not there is one without it.
func TestSlashAtTheEnd(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	for path, told := range map[string]bool{
		"/users/": true, "/docs/": true, "/user/42/": true, "/user/42/history/": true,
		"/nowhere/": true, "/nowhere": false, "/Users": false,
	} {
		a := s.do(http.MethodGet, path, "")
		if a.status != http.StatusNotFound || !isProblemOf(a, "not-found") ||
			strings.Contains(a.body, "ends with a slash") != told {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}

// TestProblemsAreReadable: a detail is text, without the escapes that HTML would need.
func TestProblemsAreReadable(t *testing.T) {
	t.Parallel()
	s := newSecured(t)
	if a := s.do(http.MethodGet, "/user/42/settings", ""); a.status != http.StatusUnauthorized ||
		!strings.Contains(a.body, "Authorization: Bearer <token>") {
		t.Errorf("%d %s", a.status, a.body)
	}
}
