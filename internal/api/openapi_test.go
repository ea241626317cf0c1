package api_test

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	"github.com/pb33f/libopenapi-validator/schema_validation"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"

	"github.com/outset-settings/outset/internal/api"
)

// TestOpenAPI: it is OpenAPI 3.1, its examples are as it says, and its problems are those that
// there are.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	document, err := libopenapi.NewDocument(data)
	if err != nil {
		t.Fatal(err)
	}
	if version := document.GetVersion(); !strings.HasPrefix(version, "3.1.") {
		t.Errorf("it is of version %s", version)
	}
	v, errs := validator.NewValidator(document)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if ok, errs := v.ValidateDocument(); !ok {
		t.Error(explain("the document", errs))
	}

	c, err := readContract()
	if err != nil {
		t.Fatal(err)
	}
	examples, kinds := 0, make(map[string]bool)
	schemas := schema_validation.NewSchemaValidator(config.WithFormatAssertions())
	check := func(where string, media *v3.MediaType, example interface{ Decode(any) error }) {
		var value any
		if err := example.Decode(&value); err != nil {
			t.Errorf("%s: %v", where, err)
		}
		if ok, errs := schemas.ValidateSchemaObjectWithVersion(media.Schema.Schema(), value,
			3.1); !ok {
			t.Error(explain("the example of "+where, errs))
		}
		examples++
		checkProblemExample(t, where, value, kinds)
	}
	for where, media := range c.media() {
		if media.Example != nil {
			check(where, media, media.Example)
		}
		if media.Examples != nil {
			for name, e := range media.Examples.FromOldest() {
				check(where+" "+name, media, e.Value)
			}
		}
		if media.Schema != nil {
			for _, e := range media.Schema.Schema().Examples {
				check(where, media, e)
			}
		}
	}
	if examples < 20 {
		t.Errorf("only %d examples were found", examples)
	}
	want := slices.Sorted(maps.Keys(api.Problems()))
	if got := slices.Sorted(maps.Keys(kinds)); !slices.Equal(got, want) {
		t.Errorf("it has examples of the problems\n%v, there are\n%v", got, want)
	}
	var types []string
	for _, node := range c.model.Components.Schemas.GetOrZero("Problem").Schema().Properties.GetOrZero("kind").Schema().Enum {
		types = append(types, node.Value)
	}
	if slices.Sort(types); !slices.Equal(types, want) {
		t.Errorf("the schema lists the problems\n%v, there are\n%v", types, want)
	}
}

// checkProblemExample compares an example, if it is one of a problem, with what the API answers.
func checkProblemExample(t *testing.T, where string, example any, seen map[string]bool) {
	t.Helper()
	members, ok := example.(map[string]any)
	if !ok {
		return
	}
	kind, ok := members["kind"].(string)
	if !ok {
		return
	}
	seen[kind] = true
	row := api.Problems()[kind]
	if fmt.Sprint(members["status"]) != fmt.Sprint(row.Status) || members["title"] != row.Title {
		t.Errorf("%s: %v, but the API has %d %q", where, example, row.Status, row.Title)
	}
}

// media is all that the contract says of bodies, by where it says so.
func (c *contract) media() map[string]*v3.MediaType {
	all := make(map[string]*v3.MediaType)
	bodies := func(where string, body *v3.RequestBody) {
		if body != nil {
			for mediaType, m := range body.Content.FromOldest() {
				all[where+" "+mediaType] = m
			}
		}
	}
	answers := func(where string, answer *v3.Response) {
		if answer.Content != nil {
			for mediaType, m := range answer.Content.FromOldest() {
				all[where+" "+mediaType] = m
			}
		}
	}
	for name, body := range c.model.Components.RequestBodies.FromOldest() {
		bodies(name, body)
	}
	for name, answer := range c.model.Components.Responses.FromOldest() {
		answers(name, answer)
	}
	for template := range c.paths {
		for method, operation := range c.operations(template) {
			bodies(method+" "+template, operation.RequestBody)
			for status, answer := range operation.Responses.Codes.FromOldest() {
				answers(method+" "+template+" "+status, answer)
			}
		}
	}
	return all
}

// TestOpenAPIRoutes: every route is in the contract, and the other way round.
func TestOpenAPIRoutes(t *testing.T) {
	t.Parallel()
	c, err := readContract()
	if err != nil {
		t.Fatal(err)
	}
	s := newSystem(t, apiConfig)
	a, err := api.Listen(s.connections(), apiConfig, s.log.Logger())
	if err != nil {
		t.Fatal(err)
	}
	defer s.run(a.Run)()

	served := make(map[string]bool)
	for _, route := range a.App().GetRoutes(true) {
		parts := strings.Split(route.Path, "/")
		for i, part := range parts {
			if name, ok := strings.CutPrefix(part, ":"); ok {
				parts[i] = "{" + name + "}"
			} else if part == "*" {
				parts[i] = "{path}"
			}
		}
		served[route.Method+" "+strings.Join(parts, "/")] = true
	}
	told := make(map[string]bool)
	for template := range c.paths {
		for _, method := range c.allowed(template) {
			if template != elsewhere {
				told[method+" "+template] = true
			}
		}
	}
	for _, route := range slices.Sorted(maps.Keys(served)) {
		if !told[route] {
			t.Errorf("%s is served, but not in openapi.json", route)
		}
	}
	for _, route := range slices.Sorted(maps.Keys(told)) {
		if !served[route] {
			t.Errorf("%s is in openapi.json, but not served", route)
		}
	}
}

// complaints is a test that counts what is wrong.
type complaints struct {
	testing.TB
	count int
}

func (c *complaints) Helper()               {}
func (c *complaints) Errorf(string, ...any) { c.count++ }

// TestCheckExchange: it is content with what is right, and sees what is wrong.
func TestCheckExchange(t *testing.T) {
	t.Parallel()
	type exchange struct {
		method, path, body, contentType string
		header                          map[string]string
		status                          int
		answer, answerType              string
		answerHeader                    map[string]string
	}
	right := exchange{
		method: "PUT", path: "/user/a%2Fb/settings", body: `{"a":1}`, contentType: "application/json; charset=utf-8",
		header: map[string]string{"If-Match": `W/"1", "x,y"`, "Idempotency-Key": "abc", "Prefer": "return=representation"},
		status: 200, answer: `{"a":1}`, answerType: "application/json",
		answerHeader: map[string]string{"ETag": `"7-hmw2k3p9x4"`, "Last-Modified": "Mon, 23 Nov 2026 15:04:05 GMT"},
	}
	check := func(change func(*exchange)) int {
		e := right
		e.header, e.answerHeader = maps.Clone(right.header), maps.Clone(right.answerHeader)
		change(&e)
		request, err := http.NewRequestWithContext(t.Context(), e.method, "http://127.0.0.1"+e.path,
			strings.NewReader(e.body))
		if err != nil {
			t.Fatal(err)
		}
		set := func(h http.Header, lines map[string]string, contentType string) {
			for name, value := range lines {
				h.Set(name, value)
			}
			if contentType != "" {
				h.Set("Content-Type", contentType)
			}
		}
		set(request.Header, e.header, e.contentType)
		response := &http.Response{Request: request, StatusCode: e.status, Header: http.Header{
			"X-Request-Id": {"x"}, "X-Content-Type-Options": {"nosniff"},
			"Cache-Control": {"no-cache"},
		}}
		set(response.Header, e.answerHeader, e.answerType)
		seen := &complaints{TB: t}
		checkExchange(seen, request, []byte(e.body), response, []byte(e.answer))
		return seen.count
	}
	problem := func(status int, kind string) func(*exchange) {
		return func(e *exchange) {
			e.status, e.answerHeader = status, map[string]string{}
			e.answer = fmt.Sprintf(`{"type":"../../problems/%[1]s","kind":"%[1]s","title":"…","status":%[2]d,"requestId":"x"}`, kind, status)
			e.answerType = "application/problem+json"
		}
	}
	value := func(e *exchange) { e.path, e.body, e.answer = "/user/a%2Fb/settings/x/y%2F/", `null`, `null` }

	for name, change := range map[string]func(*exchange){
		"nothing": func(*exchange) {},
		"a value": value,
		"minimal": func(e *exchange) { e.status, e.answer, e.answerType = 204, "", "" },
		"created, minimal": func(e *exchange) {
			value(e)
			e.status, e.answer, e.answerType = 201, "", ""
			e.answerHeader["Preference-Applied"] = "return=minimal"
		},
		"HEAD":      func(e *exchange) { e.method, e.body, e.answer = "HEAD", "", "" },
		"a problem": problem(400, "malformed"),
		"precondition": func(e *exchange) {
			problem(412, "precondition-failed")(e)
			e.answerHeader["ETag"] = `"0"`
			e.answer = strings.Replace(e.answer, "{", `{"version":0,"settings":{},`, 1)
		},
		"elsewhere": func(e *exchange) {
			problem(404, "not-found")(e)
			e.path = "/nowhere/to/be/found"
		},
		"method": func(e *exchange) {
			problem(405, "method-not-allowed")(e)
			e.path = "/limits"
			e.answerHeader["Allow"] = "GET, HEAD"
		},
		"OPTIONS": func(e *exchange) {
			e.method, e.path, e.status, e.answer, e.answerType = "OPTIONS", "/limits", 204, "", ""
			e.answerHeader = map[string]string{"Allow": "GET, HEAD, OPTIONS"}
		},
		"bad request, told": func(e *exchange) {
			problem(415, "unsupported-media-type")(e)
			e.contentType = "text/plain"
		},
	} {
		if n := check(change); n != 0 {
			t.Errorf("%s: %d complaints", name, n)
		}
	}
	for name, change := range map[string]func(*exchange){
		"status":               func(e *exchange) { e.status = 202 },
		"status of a problem":  problem(418, "malformed"),
		"kind of a problem":    problem(400, "not-found"),
		"unknown kind":         problem(422, "brand-new"),
		"no content type":      func(e *exchange) { e.answerType = "" },
		"content type":         func(e *exchange) { e.answerType = "text/plain" },
		"no body":              func(e *exchange) { e.answer = "" },
		"body of another type": func(e *exchange) { e.answer = `[]` },
		"body no JSON":         func(e *exchange) { e.answer = `{` },
		"body where none is":   func(e *exchange) { e.status = 204 },
		"no ETag":              func(e *exchange) { delete(e.answerHeader, "ETag") },
		"weak ETag":            func(e *exchange) { e.answerHeader["ETag"] = `W/"7"` },
		"no date": func(e *exchange) {
			e.answerHeader["Last-Modified"] = "yesterday"
		},
		"header nobody knows": func(e *exchange) {
			e.answerHeader["Location"] = "0"
		},
		"precondition, no state": problem(412, "precondition-failed"),
		"no Retry-After":         problem(503, "unavailable"),
		"no Allow": func(e *exchange) {
			problem(405, "method-not-allowed")(e)
			e.path = "/limits"
		},
		"wrong Allow": func(e *exchange) {
			problem(405, "method-not-allowed")(e)
			e.path = "/limits"
			e.answerHeader["Allow"] = "GET"
		},
		"200 for nothing": func(e *exchange) { e.path = "/nowhere" },
		"sniffing": func(e *exchange) {
			e.answerHeader["X-Content-Type-Options"] = ""
		},
		"request: body":         func(e *exchange) { e.body = `[]` },
		"request: content type": func(e *exchange) { e.contentType = "text/plain" },
		"request: header":       func(e *exchange) { e.header["If-Match"] = `7` },
		"request: path": func(e *exchange) {
			e.method, e.path, e.body = "GET", "/user/42/history/0", ""
		},
		"request: query": func(e *exchange) {
			e.method, e.path, e.body, e.answer = "GET", "/user/42/history?limit=101", "", `{"versions":[]}`
		},
		"HEAD with a body": func(e *exchange) { e.method, e.body = "HEAD", "" },
		"problem's other status": func(e *exchange) {
			problem(400, "malformed")(e)
			e.answer = strings.Replace(e.answer, "400", "404", 1)
		},
	} {
		if n := check(change); n == 0 {
			t.Errorf("%s: no complaint", name)
		}
	}
}
