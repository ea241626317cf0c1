package api_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	validation "github.com/pb33f/libopenapi-validator/errors"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
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
	"413": "too-large", "421": "misdirected-request", "431": "headers-too-large",
}

// lineBodies are the schemas of bodies of lines. Each line has the schema that the description
// names.
var lineBodies = regexp.MustCompile(
	`"schema": \{ "type": "string", "format": "binary", "description": "Lines, each one a .(\w+)." \}`)

// readContract reads openapi.json once for all tests.
var readContract = sync.OnceValues(func() (*contract, error) {
	data, err := os.ReadFile("openapi.json")
	if err != nil {
		return nil, err
	}
	// What generators of clients must be told in words, the validator is told in its own.
	data = lineBodies.ReplaceAll(data, []byte(`"schema": { "$$ref": "#/components/schemas/$1" }`))
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
	withFormats := []config.Option{
		config.WithFormatAssertions(), config.WithContentAssertions(),
		config.WithoutSecurityValidation(), // access_test.go knows who may what
	}
	c := &contract{
		paths: maps.Collect(model.Model.Paths.PathItems.FromOldest()), model: &model.Model,
	}
	c.full = validator.NewValidatorFromV3Model(&model.Model, withFormats...)
	c.noBody = validator.NewValidatorFromV3Model(&model.Model,
		append(withFormats, config.WithoutResponseBodyValidation())...)
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
			if got[len(got)-1] == "" && template != "/" {
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
func checkExchange(t testing.TB, request *http.Request, requestBody []byte, response *http.Response,
	responseBody []byte,
) {
	t.Helper()
	c, err := readContract()
	if err != nil {
		t.Errorf("openapi.json: %v", err)
		return
	}
	if response.Header.Get("Content-Encoding") == "gzip" && len(responseBody) > 0 {
		z, err := gzip.NewReader(bytes.NewReader(responseBody))
		if err == nil {
			responseBody, err = io.ReadAll(z)
		}
		if err != nil {
			t.Error(err)
		}
	}
	if complaints := c.check(request, requestBody, response, responseBody); len(complaints) > 0 {
		t.Errorf("%s %s → %d is not as in openapi.json:\n%s\nrequest: %v %.200s\nanswer: %v %.200s",
			request.Method, request.URL,
			response.StatusCode, strings.Join(complaints, "\n"), request.Header, requestBody,
			response.Header, responseBody)
	}
}

func (c *contract) check(
	request *http.Request, requestBody []byte, response *http.Response, responseBody []byte,
) []string {
	complaints := frameComplaints(response)
	template, path := c.find(request.URL.EscapedPath())
	method := request.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	operation := c.operations(template)[method]
	switch {
	case method == http.MethodOptions && response.StatusCode == http.StatusNoContent:
		if request.Header.Get("Access-Control-Request-Method") != "" &&
			request.Header.Get("Origin") != "" {
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

	// what is wrong in a line is told in the answer
	if strings.HasPrefix(request.Header.Get("Content-Type"), "application/x-ndjson") {
		requestBody = []byte(`{"user":"42","settings":{}}`)
	}
	request, err := rewrite(request, method, path, requestBody)
	if err != nil {
		return append(complaints, err.Error())
	}
	answer := *response
	checker := c.full
	// That a body can be left out is the one thing that OpenAPI has no words for.
	quiet := response.StatusCode == http.StatusCreated &&
		response.Header.Get("Preference-Applied") == "return=minimal"
	if request.Method = method; quiet || response.Request != nil &&
		response.Request.Method == http.MethodHead {
		checker = c.noBody
		if len(responseBody) > 0 {
			complaints = append(complaints, "it has a body")
		}
	} else {
		complaints = append(complaints, bodyComplaints(operation, response, responseBody)...)
	}
	complaints = append(complaints, headerComplaints(operation, response)...)

	for _, part := range partsOf(response.Header, responseBody) {
		answer.Body = io.NopCloser(bytes.NewReader(part))
		if _, errs := checker.ValidateHttpResponse(request, &answer); len(errs) > 0 {
			complaints = append(complaints, explain("the answer", errs)...)
		}
	}
	if template != elsewhere && response.StatusCode < http.StatusBadRequest {
		if _, errs := checker.ValidateHttpRequestSync(request); len(errs) > 0 {
			complaints = append(complaints, explain("the request", errs)...)
		}
	}
	return complaints
}

// partsOf is what of a body is to be as the contract says: of lines each one, or some of those that
// are many.
func partsOf(header http.Header, body []byte) [][]byte {
	const most = 20
	if header.Get("Content-Type") != "application/x-ndjson" || len(body) == 0 {
		return [][]byte{body}
	}
	all := bytes.Split(bytes.TrimSuffix(body, []byte("\n")), []byte("\n"))
	if len(all) > most {
		return append(all[:most:most], all[len(all)-1])
	}
	return all
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
	cache := "no-cache"
	if response.StatusCode == http.StatusCreated && response.Request.URL.Path == "/tokens" {
		cache = "no-store" // it has a secret
	}
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Cache-Control": cache,
	} {
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
	if !ok && response.StatusCode != http.StatusMethodNotAllowed &&
		response.StatusCode != http.StatusNoContent {
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

// bodyComplaints is about bodies that are not announced, which the validator doesn't look at, and
// about problems that contradict themselves.
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
	if problem.Status != response.StatusCode ||
		problem.RequestID != response.Header.Get("X-Request-Id") {
		return []string{"status or requestId in the body are not those of the answer"}
	}
	return nil
}

// headerComplaints is about headers that the contract doesn't tell of.
func headerComplaints(operation *v3.Operation, response *http.Response) []string {
	// What HTTP itself, frame, CORS, TLS and pages have everywhere.
	usual := []string{
		"Cache-Control", "Connection", "Content-Encoding", "Content-Length", "Content-Security-Policy", "Content-Type",
		"Date", "Ratelimit", "Ratelimit-Policy", "Server", "Transfer-Encoding",
		"Vary", "X-Accel-Buffering", "X-Content-Type-Options", "Strict-Transport-Security",
		"X-Frame-Options", "Referrer-Policy", "Cross-Origin-Opener-Policy", "Traceresponse",
	}
	known := make(map[string]bool)
	if answer := answerOf(operation, response.StatusCode); answer != nil && answer.Headers != nil {
		for name := range answer.Headers.KeysFromOldest() {
			known[http.CanonicalHeaderKey(name)] = true
		}
	}
	var complaints []string
	for name := range response.Header {
		if !known[name] && !slices.Contains(usual, name) &&
			!strings.HasPrefix(name, "Access-Control-") {
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
