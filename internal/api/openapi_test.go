package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	validation "github.com/pb33f/libopenapi-validator/errors"
	"github.com/pb33f/libopenapi-validator/schema_validation"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"

	"github.com/outset-settings/outset/internal/api"
)

// contract is openapi.json, as requests and answers are held against it.
type contract struct {
	paths  map[string]*v3.PathItem
	model  *v3.Document
	full   validator.Validator
	noBody validator.Validator // for answers that leave out the body which the contract tells of
}

// elsewhere is a route of the tests' own, whose answers are those to requests that no route is for.
const elsewhere = "/elsewhere"

var elsewhereAnswers = map[string]string{
	"400": "malformed", "404": "not-found", "405": "method-not-allowed", "408": "request-timeout",
	"413": "too-large", "431": "headers-too-large",
}

// readContract reads openapi.json once for all tests.
var readContract = sync.OnceValues(func() (*contract, error) {
	data, err := os.ReadFile("openapi.json")
	if err != nil {
		return nil, err
	}
	var raw map[string]any
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, err
	}
	answers := make(map[string]any)
	for status, name := range elsewhereAnswers {
		answers[status] = map[string]any{"$ref": "#/components/responses/" + name}
	}
	raw["paths"].(map[string]any)[elsewhere] = map[string]any{"get": map[string]any{"responses": answers}} //nolint:errcheck // a panic tells as much
	if data, err = json.Marshal(raw); err != nil {
		return nil, err
	}
	document, err := libopenapi.NewDocument(data)
	if err != nil {
		return nil, err
	}
	model, err := document.BuildV3Model()
	if err != nil {
		return nil, err
	}
	withFormats := []config.Option{config.WithFormatAssertions(), config.WithContentAssertions()}
	c := &contract{paths: maps.Collect(model.Model.Paths.PathItems.FromOldest()), model: &model.Model}
	c.full = validator.NewValidatorFromV3Model(&model.Model, withFormats...)
	c.noBody = validator.NewValidatorFromV3Model(&model.Model, append(withFormats, config.WithoutResponseBodyValidation())...)
	return c, nil
})

// find returns the path of the contract that a request's path belongs to, and that path with
// what is {path} there in one segment: the validator knows no parameters with slashes.
func (c *contract) find(escaped string) (template, rewritten string) {
	segments := strings.Split(escaped, "/")
	for template := range c.paths {
		parts := strings.Split(template, "/")
		got := slices.Clone(segments)
		if last := len(parts) - 1; parts[last] == "{path}" && len(got) > len(parts) {
			got = append(got[:last:last], strings.Join(got[last:], "%2F"))
		}
		if len(got) == len(parts) && matches(parts, got) {
			if got[len(got)-1] == "" {
				got[len(got)-1] = "%2F" // the key ""
			}
			return template, strings.Join(got, "/")
		}
	}
	return "", ""
}

func matches(parts, segments []string) bool {
	for i, part := range parts {
		isParameter := strings.HasPrefix(part, "{") && (segments[i] != "" || part == "{path}")
		if part != segments[i] && !isParameter {
			return false
		}
	}
	return true
}

// operations are what the contract has for a path, by method.
func (c *contract) operations(template string) map[string]*v3.Operation {
	all := make(map[string]*v3.Operation)
	if item := c.paths[template]; item != nil {
		for method, operation := range item.GetOperations().FromOldest() {
			all[strings.ToUpper(method)] = operation
		}
	}
	return all
}

// allowed are the methods that a path takes: where there is GET, there is HEAD.
func (c *contract) allowed(template string) []string {
	methods := slices.Collect(maps.Keys(c.operations(template)))
	if slices.Contains(methods, http.MethodGet) {
		methods = append(methods, http.MethodHead)
	}
	slices.Sort(methods)
	return methods
}

// checkExchange holds an answer, and what asked for it if it was no mistake, against the contract.
func checkExchange(t testing.TB, request *http.Request, requestBody []byte, response *http.Response, responseBody []byte) {
	t.Helper()
	c, err := readContract()
	if err != nil {
		t.Errorf("openapi.json: %v", err)
		return
	}
	if complaints := c.check(request, requestBody, response, responseBody); len(complaints) > 0 {
		t.Errorf("%s %s → %d is not as in openapi.json:\n%s\nrequest: %v %.200s\nanswer: %v %.200s", request.Method, request.URL,
			response.StatusCode, strings.Join(complaints, "\n"), request.Header, requestBody, response.Header, responseBody)
	}
}

func (c *contract) check(request *http.Request, requestBody []byte, response *http.Response, responseBody []byte) []string {
	complaints := frameComplaints(response)
	template, path := c.find(request.URL.EscapedPath())
	method := request.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	operation := c.operations(template)[method]
	switch {
	case method == http.MethodOptions && response.StatusCode == http.StatusNoContent:
		if request.Header.Get("Access-Control-Request-Method") != "" && request.Header.Get("Origin") != "" {
			return complaints // the answer is for the browser, cors_test.go knows more
		}
		return append(complaints, c.optionsComplaints(template, response)...)
	case operation == nil && template != "":
		complaints = append(complaints, c.allowComplaints(template, response)...)
		fallthrough
	case operation == nil:
		template, path, method = elsewhere, elsewhere, http.MethodGet
		operation = c.operations(elsewhere)[http.MethodGet]
	}

	request, err := rewrite(request, method, path, requestBody)
	if err != nil {
		return append(complaints, err.Error())
	}
	answer := *response
	answer.Body = io.NopCloser(bytes.NewReader(responseBody))
	checker := c.full
	// That a body can be left out is the one thing that OpenAPI has no words for.
	quiet := response.StatusCode == http.StatusCreated && response.Header.Get("Preference-Applied") == "return=minimal"
	if request.Method = method; quiet || response.Request != nil && response.Request.Method == http.MethodHead {
		checker = c.noBody
		if len(responseBody) > 0 {
			complaints = append(complaints, "it has a body")
		}
	} else {
		complaints = append(complaints, bodyComplaints(operation, response, responseBody)...)
	}
	complaints = append(complaints, headerComplaints(operation, response)...)

	if _, errs := checker.ValidateHttpResponse(request, &answer); len(errs) > 0 {
		complaints = append(complaints, explain("the answer", errs)...)
	}
	if template != elsewhere && response.StatusCode < http.StatusBadRequest {
		if _, errs := checker.ValidateHttpRequestSync(request); len(errs) > 0 {
			complaints = append(complaints, explain("the request", errs)...)
		}
	}
	return complaints
}

// rewrite returns the request as the validator understands it.
func rewrite(request *http.Request, method, path string, body []byte) (*http.Request, error) {
	u, err := url.Parse(path)
	if err != nil {
		return nil, err
	}
	u.RawQuery = request.URL.RawQuery
	r := request.Clone(request.Context())
	r.Method, r.URL, r.Body, r.ContentLength = method, u, http.NoBody, int64(len(body))
	if len(body) > 0 {
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	return r, nil
}

// frameComplaints is about what all answers have.
func frameComplaints(response *http.Response) []string {
	var complaints []string
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"} {
		if got := response.Header.Get(name); got != want {
			complaints = append(complaints, fmt.Sprintf("%s is %q, not %q", name, got, want))
		}
	}
	if response.Header.Get("X-Request-Id") == "" {
		complaints = append(complaints, "there is no X-Request-ID")
	}
	return complaints
}

func (c *contract) optionsComplaints(template string, response *http.Response) []string {
	complaints := c.allowComplaints(template, response)
	if template == "" {
		complaints = append(complaints, "there is no such path")
	}
	_, patch := c.operations(template)[http.MethodPatch]
	if got := response.Header.Get("Accept-Patch"); (got != "") != patch {
		complaints = append(complaints, fmt.Sprintf("Accept-Patch is %q", got))
	}
	return complaints
}

// allowComplaints tells whether Allow, where there is one, lists just what the contract has.
func (c *contract) allowComplaints(template string, response *http.Response) []string {
	list, ok := response.Header["Allow"]
	if !ok && response.StatusCode != http.StatusMethodNotAllowed && response.StatusCode != http.StatusNoContent {
		return nil // refused before its method was looked at
	}
	got := strings.Split(strings.ReplaceAll(strings.Join(list, ","), " ", ""), ",")
	got = slices.DeleteFunc(got, func(m string) bool { return m == http.MethodOptions })
	slices.Sort(got)
	if want := c.allowed(template); !slices.Equal(got, want) {
		return []string{fmt.Sprintf("Allow lists %v, not %v", got, want)}
	}
	return nil
}

// answerOf is what the contract has of an answer, or nil.
func answerOf(operation *v3.Operation, status int) *v3.Response {
	return operation.Responses.Codes.GetOrZero(fmt.Sprint(status))
}

// bodyComplaints is about bodies that are not announced, which the validator doesn't look at, and about
// problems that contradict themselves.
func bodyComplaints(operation *v3.Operation, response *http.Response, body []byte) []string {
	answer := answerOf(operation, response.StatusCode)
	if answer == nil {
		return nil // the validator says it
	}
	switch told := answer.Content != nil && answer.Content.Len() > 0; {
	case !told && len(body) > 0:
		return []string{"it has a body"}
	case told && len(body) == 0:
		return []string{"it has no body"}
	case response.StatusCode < http.StatusBadRequest:
		return nil
	}
	var problem struct {
		Status    int
		RequestID string
	}
	if err := json.Unmarshal(body, &problem); err != nil {
		return []string{err.Error()}
	}
	if problem.Status != response.StatusCode || problem.RequestID != response.Header.Get("X-Request-Id") {
		return []string{"status or requestId in the body are not those of the answer"}
	}
	return nil
}

// headerComplaints is about headers that the contract doesn't tell of.
func headerComplaints(operation *v3.Operation, response *http.Response) []string {
	// What HTTP itself, frame, CORS and pages have everywhere.
	usual := []string{
		"Cache-Control", "Connection", "Content-Length", "Content-Security-Policy", "Content-Type", "Date", "Server", "Transfer-Encoding",
		"Vary", "X-Content-Type-Options",
	}
	known := make(map[string]bool)
	if answer := answerOf(operation, response.StatusCode); answer != nil && answer.Headers != nil {
		for name := range answer.Headers.KeysFromOldest() {
			known[http.CanonicalHeaderKey(name)] = true
		}
	}
	var complaints []string
	for name := range response.Header {
		if !known[name] && !slices.Contains(usual, name) && !strings.HasPrefix(name, "Access-Control-") {
			complaints = append(complaints, "it has the header "+name)
		}
	}
	return complaints
}

func explain(what string, errs []*validation.ValidationError) []string {
	var complaints []string
	for _, e := range errs {
		complaint := what + ": " + e.Message + ": " + e.Reason
		for _, s := range e.SchemaValidationErrors {
			complaint += "; " + s.Reason
		}
		complaints = append(complaints, complaint)
	}
	return complaints
}

// TestOpenAPI: it is OpenAPI 3.1, its examples are as it says, and its problems are those that there are.
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
		if ok, errs := schemas.ValidateSchemaObjectWithVersion(media.Schema.Schema(), value, 3.1); !ok {
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
	for _, node := range c.model.Components.Schemas.GetOrZero("Problem").Schema().Properties.GetOrZero("type").Schema().Enum {
		types = append(types, strings.TrimPrefix(node.Value, "/problems/"))
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
	of, ok := members["type"].(string)
	if !ok {
		return
	}
	kind := strings.TrimPrefix(of, "/problems/")
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
	a, err := api.Listen(s.dial(), apiConfig, s.logger())
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
		answerHeader: map[string]string{"ETag": `"7"`, "Last-Modified": "Mon, 23 Nov 2026 15:04:05 GMT"},
	}
	check := func(change func(*exchange)) int {
		e := right
		e.header, e.answerHeader = maps.Clone(right.header), maps.Clone(right.answerHeader)
		change(&e)
		request, err := http.NewRequestWithContext(t.Context(), e.method, "http://127.0.0.1"+e.path, strings.NewReader(e.body))
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
			"X-Request-Id": {"x"}, "X-Content-Type-Options": {"nosniff"}, "Cache-Control": {"no-cache"},
		}}
		set(response.Header, e.answerHeader, e.answerType)
		seen := &complaints{TB: t}
		checkExchange(seen, request, []byte(e.body), response, []byte(e.answer))
		return seen.count
	}
	problem := func(status int, kind string) func(*exchange) {
		return func(e *exchange) {
			e.status, e.answerHeader = status, map[string]string{}
			e.answer = fmt.Sprintf(`{"type":"/problems/%s","title":"…","status":%d,"requestId":"x"}`, kind, status)
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
		"elsewhere": func(e *exchange) { problem(404, "not-found")(e); e.path = "/nowhere/to/be/found" },
		"method": func(e *exchange) {
			problem(405, "method-not-allowed")(e)
			e.path = "/limits"
			e.answerHeader["Allow"] = "GET, HEAD"
		},
		"OPTIONS": func(e *exchange) {
			e.method, e.path, e.status, e.answer, e.answerType = "OPTIONS", "/limits", 204, "", ""
			e.answerHeader = map[string]string{"Allow": "GET, HEAD, OPTIONS"}
		},
		"bad request, told": func(e *exchange) { problem(415, "unsupported-media-type")(e); e.contentType = "text/plain" },
	} {
		if n := check(change); n != 0 {
			t.Errorf("%s: %d complaints", name, n)
		}
	}
	for name, change := range map[string]func(*exchange){
		"status":                 func(e *exchange) { e.status = 202 },
		"status of a problem":    problem(418, "malformed"),
		"kind of a problem":      problem(400, "not-found"),
		"unknown kind":           problem(422, "brand-new"),
		"no content type":        func(e *exchange) { e.answerType = "" },
		"content type":           func(e *exchange) { e.answerType = "text/plain" },
		"no body":                func(e *exchange) { e.answer = "" },
		"body of another type":   func(e *exchange) { e.answer = `[]` },
		"body no JSON":           func(e *exchange) { e.answer = `{` },
		"body where none is":     func(e *exchange) { e.status = 204 },
		"no ETag":                func(e *exchange) { delete(e.answerHeader, "ETag") },
		"weak ETag":              func(e *exchange) { e.answerHeader["ETag"] = `W/"7"` },
		"no date":                func(e *exchange) { e.answerHeader["Last-Modified"] = "yesterday" },
		"header nobody knows":    func(e *exchange) { e.answerHeader["Location"] = "/user/42/settings/x" },
		"precondition, no state": problem(412, "precondition-failed"),
		"no Retry-After":         problem(503, "unavailable"),
		"no Allow":               func(e *exchange) { problem(405, "method-not-allowed")(e); e.path = "/limits" },
		"wrong Allow": func(e *exchange) {
			problem(405, "method-not-allowed")(e)
			e.path = "/limits"
			e.answerHeader["Allow"] = "GET"
		},
		"200 for nothing":       func(e *exchange) { e.path = "/nowhere" },
		"sniffing":              func(e *exchange) { e.answerHeader["X-Content-Type-Options"] = "" },
		"request: body":         func(e *exchange) { e.body = `[]` },
		"request: content type": func(e *exchange) { e.contentType = "text/plain" },
		"request: header":       func(e *exchange) { e.header["If-Match"] = `7` },
		"request: path":         func(e *exchange) { e.method, e.path, e.body = "GET", "/user/42/history/0", "" },
		"request: query": func(e *exchange) {
			e.method, e.path, e.body, e.answer = "GET", "/user/42/history?limit=101", "", `{"versions":[]}`
		},
		"HEAD with a body":       func(e *exchange) { e.method, e.body = "HEAD", "" },
		"problem's other status": func(e *exchange) { problem(400, "malformed")(e); e.answer = strings.Replace(e.answer, "400", "404", 1) },
	} {
		if n := check(change); n == 0 {
			t.Errorf("%s: no complaint", name)
		}
	}
}
