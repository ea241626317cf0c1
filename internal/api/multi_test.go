package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/pkg/messages"
)

// result is the answer to an operation of a batch.
type result struct {
	Status  int
	Headers map[string]string
	Body    json.RawMessage
}

// batch sends operations, and returns their results.
func (s *system) batch(operations ...string) []result {
	s.t.Helper()
	a := s.do(http.MethodPost, "/batch", `{"operations":[`+strings.Join(operations, ",")+`]}`, isJSON, "X-Request-ID: b")
	var answer struct{ Results []result }
	if err := json.Unmarshal([]byte(a.body), &answer); err != nil || a.status != http.StatusOK ||
		len(answer.Results) != len(operations) {
		s.t.Fatalf("%d operations: %d %.300s (%v)", len(operations), a.status, a.body, err)
	}
	return answer.Results
}

const aGet = `{"method":"GET","path":"/user/42/settings"}`

// TestMultiMalformed: what is no batch is refused as a whole, and nothing of it is done.
func TestMultiMalformed(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	const first = `{"method":"PUT","path":"/user/42/settings","body":{"a":1}}`
	one := func(members string) string { return `{"operations":[` + first + `,{"method":"GET",` + members + `}]}` }
	for name, body := range map[string]string{
		"empty":              ``,
		"blank":              "  ",
		"no JSON":            `operations`,
		"truncated":          `{"operations":[` + first,
		"truncated inside":   `{"operations":[` + first + `,{"method":"PUT","path":"/user/42/settings","body":{"a":`,
		"two values":         `{"operations":[` + first + `]}{}`,
		"a trailing comma":   `{"operations":[` + first + `,]}`,
		"an array":           `[` + first + `]`,
		"null":               `null`,
		"no operations":      `{}`,
		"null operations":    `{"operations":null}`,
		"an object of them":  `{"operations":{"0":` + first + `}}`,
		"none":               `{"operations":[]}`,
		"too many":           `{"operations":[` + first + strings.Repeat(","+aGet, 100) + `]}`,
		"unknown member":     `{"operations":[` + first + `],"atomic":true}`,
		"operations twice":   `{"operations":[` + first + `],"operations":[]}`,
		"no object":          `{"operations":[` + first + `,"GET /"]}`,
		"null inside":        `{"operations":[` + first + `,null]}`,
		"a bomb of brackets": `{"operations":[` + first + `,{"body":` + strings.Repeat("[", 60_000),
		"no path":            `{"operations":[` + first + `,{"method":"GET"}]}`,
		"no method":          `{"operations":[` + first + `,{"path":"/user/42/settings"}]}`,
		"number as method":   `{"operations":[` + first + `,{"method":1,"path":"/user/42/settings"}]}`,
		"method twice":       one(`"path":"/user/42/settings","method":"GET"`),
		"method, escaped":    one(`"path":"/user/42/settings","m\u0065thod":"GET"`),
		"unknown inside":     one(`"path":"/user/42/settings","id":1`),
		"number as path":     one(`"path":42`),
		"empty path":         one(`"path":""`),
		"relative path":      one(`"path":"user/42/settings"`),
		"another host":       one(`"path":"http://example.org/user/42/settings"`),
		"a fragment":         one(`"path":"/user/42/settings#a"`),
		"a space":            one(`"path":"/user/a b/settings"`),
		"a line":             one(`"path":"/user/42/settings HTTP/1.1\r\nX: y"`),
		"a NUL":              one(`"path":"/user/42/\u0000"`),
		"not encoded":        one(`"path":"/user/日本/settings"`),
		"bad UTF-8":          one("\"path\":\"/user/\xff/settings\""),
		"headers no object":  one(`"path":"/user/42/settings","headers":["If-Match"]`),
		"headers null":       one(`"path":"/user/42/settings","headers":null`),
		"header no string":   one(`"path":"/user/42/settings","headers":{"If-Match":1}`),
		"headers, thousands": one(`"path":"/user/42/settings","headers":{` + manyHeaders(5000) + `}`),
		"header twice":       one(`"path":"/user/42/settings","headers":{"If-Match":"*","If-Match":"*"}`),
		"header, empty name": one(`"path":"/user/42/settings","headers":{"":"x"}`),
		"header, bad name":   one(`"path":"/user/42/settings","headers":{"If Match":"x"}`),
		"header, colon":      one(`"path":"/user/42/settings","headers":{"X:Y":"x"}`),
		"header, CR LF":      one(`"path":"/user/42/settings","headers":{"X":"x\r\nY: z"}`),
		"header, LF":         one(`"path":"/user/42/settings","headers":{"X":"x\ny"}`),
		"header, NUL":        one(`"path":"/user/42/settings","headers":{"X":"\u0000"}`),
		"header, not ASCII":  one(`"path":"/user/42/settings","headers":{"X":"ключ"}`),
	} {
		s.story(t, name, exchange{"POST /batch", isJSON, body, 400, "", problem("malformed")})
	}
	for _, method := range []string{"OPTIONS", "CONNECT", "TRACE", "get", "", "GET ", "FETCH"} {
		s.story(t, "method "+method, exchange{"POST /batch", isJSON, `{"operations":[` + first + `,{"method":"` + method + `","path":"/user/42/settings"}]}`, 400, "", problem("malformed")})
	}
	for _, header := range []string{
		"Host", "host", "Content-Length", "CONTENT-LENGTH", "Transfer-Encoding", "Connection",
		"Expect", "Upgrade", "Keep-Alive", "TE", "Trailer", "Proxy-Connection",
	} {
		s.story(t, header, exchange{"POST /batch", isJSON, one(`"path":"/user/42/settings","headers":{"` + header + `":"close"}`), 400, "", problem("malformed")})
	}
	const all = `{"operations":[` + first + `]}`
	s.story(t, "the request",
		// what a page of another origin could send unasked
		exchange{
			"POST /batch", "Content-Type: text/plain", all, 415, "",
			problem("unsupported-media-type"),
		},
		exchange{"POST /batch", "X: y", all, 415, "", problem("unsupported-media-type")},
		exchange{
			"POST /batch", lines(isJSON, "Content-Encoding: gzip"), all, 415, "",
			problem("unsupported-media-type"),
		},
		exchange{"PUT /batch", isJSON, all, 405, "Allow: POST, OPTIONS", problem("method-not-allowed")},
		exchange{"GET /batch", "", "", 405, "Allow: POST, OPTIONS", problem("method-not-allowed")},
		exchange{"POST /batch/", isJSON, all, 404, "", problem("not-found")},
		exchange{"GET /user/42/settings", "", "", 200, `ETag: "0"`, `{}`})
}

func manyHeaders(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`"X-%d":"y"`, i))
	}
	return strings.Join(all, ",")
}

// TestMultiSize: a batch may have a hundred of the largest documents, and not much more.
func TestMultiSize(t *testing.T) {
	t.Parallel()
	const maxDocument = 16 << 10 // a hundred of them are more than a message of NATS takes
	config := apiConfig
	config.MaxDocument = maxDocument
	s := newSystem(t, config)
	s.startWorker()
	largest := `{"x":"` + strings.Repeat("x", maxDocument-8) + `"}`
	var operations []string
	for i := range 100 {
		operations = append(operations, fmt.Sprintf(`{"method":"PUT","path":"/user/u%d/settings","headers":{"X-Pad":"%s"},"body":%s}`, i, strings.Repeat("p", 3<<10), largest))
	}
	for i, r := range s.batch(operations...) {
		if r.Status != http.StatusOK || string(r.Body) != largest {
			t.Fatalf("operation %d: %d %.200s", i, r.Status, r.Body)
		}
	}
	s.has("u99", 1, largest)
	waits := s.do(http.MethodPost, "/batch", `{"operations":[`+strings.Join(operations, ",")+`]}`, isJSON, "Expect: 100-continue") // as curl does
	if s.has("u99", 2, largest); waits.status != http.StatusOK {
		t.Errorf("a client that waits to be asked: %+v", waits)
	}
	limit := 100 * (maxDocument + 4<<10)
	filled := func(n int) string {
		body := `{"operations":[` + aGet + `]}`
		return body + strings.Repeat(" ", n-len(body))
	}
	for _, target := range []string{"/batch", "/batch?"} {
		if a := s.do(http.MethodPost, target, filled(limit), isJSON); a.status != http.StatusOK {
			t.Errorf("%s: %d", target, a.status)
		}
		if a := s.do(http.MethodPost, target, filled(limit+1),
			isJSON); a.status != http.StatusRequestEntityTooLarge || !strings.Contains(a.body, fmt.Sprint(limit)) {
			t.Errorf("%s: %+v", target, a)
		}
	}
	for _, target := range []string{"/batchx", "/user/42/settings?/batch", "/batch/"} {
		a := s.do(http.MethodPost, target, filled(maxDocument+1), isJSON)
		if a.status != http.StatusRequestEntityTooLarge ||
			!strings.Contains(a.body, fmt.Sprint(maxDocument)) {
			t.Errorf("%s: %+v", target, a)
		}
	}
}

// TestMultiResults: what one operation is refused for is no other's business.
func TestMultiResults(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	large := `{"x":"` + strings.Repeat("x", 64<<10) + `"}`
	operations := []struct {
		operation string
		status    int
		kind      string // of a problem
	}{
		{`{"method":"PUT","path":"/user/42/settings","body": { "a" : 1.0 } }`, 200, ""},
		{`{"method":"PUT","path":"/user/42/settings","headers":{"If-Match":"\"7\""},"body":{}}`, 412, "precondition-failed"},
		{`{"method":"GET","path":"/user/42/settings","headers":{"If-None-Match":"\"7\"","if-none-match":"\"1\""}}`, 200, ""},
		{`{"method":"PUT","path":"/user/42/settings","body":{"a":1,"a":2}}`, 400, "malformed"},
		{`{"method":"PUT","path":"/user/42/settings","body":{"a":"\ud800"}}`, 400, "malformed"},
		{
			"{\"method\":\"PUT\",\"path\":\"/user/42/settings\",\"body\":{\"a\":\"\xff\"}}", 400,
			"malformed",
		},
		{`{"method":"PUT","path":"/user/42/settings","body":[1]}`, 422, "invalid-document"},
		{`{"method":"PUT","path":"/user/42/settings","body":null}`, 422, "invalid-document"},
		{`{"method":"PUT","path":"/user/42/settings"}`, 415, "unsupported-media-type"},
		{`{"method":"PUT","path":"/user/42/settings","headers":{"content-type":"application/json"}}`, 400, "malformed"},
		{`{"method":"PUT","path":"/user/42/settings","headers":{"content-type":"text/plain"},"body":{}}`, 415, "unsupported-media-type"},
		{`{"method":"PUT","path":"/user/42/settings","body":` + large + `}`, 413, "too-large"},
		{`{"method":"GET","path":"/user/42/settings","headers":{"X":"` + strings.Repeat("x", 9<<10) + `"}}`, 431, "headers-too-large"},
		{`{"method":"GET","path":"/user/42/settings/` + strings.Repeat("x", 9<<10) + `"}`, 431, "headers-too-large"},
		{`{"method":"PATCH","path":"/user/42/settings","body":{"b":2}}`, 200, ""},
		{`{"method":"PATCH","path":"/user/42/settings","headers":{"Content-Type":"application/json-patch+json"},"body":[{"op":"remove","path":"/z"}]}`, 422, "patch-not-applicable"},
		{`{"method":"POST","path":"/user/42/history/1/restore"}`, 200, ""},
		{`{"method":"GET","path":"/user/42/history?limit=x"}`, 400, "malformed"},
		{`{"method":"GET","path":"/user/%00/settings"}`, 400, "malformed"},
		{`{"method":"GET","path":"/user/%zz/settings"}`, 400, "malformed"},
		{`{"method":"PUT","path":"/user/42/history","body":{}}`, 405, "method-not-allowed"},
		{`{"method":"GET","path":"/user/42/events"}`, 404, "not-found"},
		{`{"method":"GET","path":"/user/42/events?include=settings","headers":{"Accept":"text/event-stream"}}`, 404, "not-found"},
		{`{"method":"HEAD","path":"/user/42/events"}`, 404, "not-found"},
		{`{"method":"GET","path":"/user/42/event%73"}`, 404, "not-found"},
		{`{"method":"GET","path":"/user/events/settings"}`, 200, ""},
		{`{"method":"GET","path":"/user/../settings"}`, 200, ""},
		{`{"method":"GET","path":"/user/../../healthz"}`, 404, "not-found"},
		{`{"method":"GET","path":"/healthz"}`, 404, "not-found"},
		{`{"method":"GET","path":"/users"}`, 404, "not-found"},
		{`{"method":"GET","path":"/users/export"}`, 404, "not-found"},
		{`{"method":"PUT","path":"/schema","body":{}}`, 404, "not-found"},
		{`{"method":"POST","path":"/batch","body":{"operations":[]}}`, 404, "not-found"},
		{`{"method":"GET","path":"//user/42/settings"}`, 404, "not-found"},
		{`{"method":"GET","path":"/user"}`, 404, "not-found"},
		{`{"method":"GET","path":"/user/"}`, 404, "not-found"},
		{`{"method":"GET","path":"/"}`, 404, "not-found"},
		{`{"method":"HEAD","path":"/user/42/settings"}`, 200, ""},
		{`{"method":"GET","path":"/user/42/settings","headers":{"X-Request-ID":"mine"}}`, 200, ""},
	}
	var all []string
	for _, o := range operations {
		all = append(all, o.operation)
	}
	results := s.batch(all...)
	for i, r := range results {
		var p struct{ Kind, RequestID string }
		_ = json.Unmarshal(r.Body, &p)
		wantID := fmt.Sprint("b.", i)
		if i == len(results)-1 {
			wantID = "mine"
		}
		o := operations[i]
		switch {
		case r.Status != o.status, p.Kind != o.kind &&
			r.Body != nil, r.Headers["X-Request-ID"] != wantID,
			p.RequestID != wantID && o.kind != "" && r.Body != nil:
			t.Errorf("%.100s: %+v %.200s, want %d %s", o.operation, r, r.Body, o.status, o.kind)
		case (r.Body == nil) != strings.Contains(o.operation, `"HEAD"`):
			t.Errorf("%.100s: body %s", o.operation, r.Body)
		}
	}
	if body := string(results[0].Body); body != `{ "a" : 1.0 }` {
		t.Errorf("the body as it was spelt: %s", body)
	}
	if h := results[len(results)-2].Headers; number(h["ETag"]) != `"3"` || h["Content-Type"] != "application/json" || h["Last-Modified"] == "" || len(h) != 4 {
		t.Errorf("the headers of HEAD: %v", h)
	}
	s.has("42", 3, `{ "a" : 1.0 }`)
}

// TestMultiID: also with the longest id of its own.
func TestMultiID(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	long := strings.Repeat("x", messages.MaxRequestID)
	a := s.do(http.MethodPost, "/batch", `{"operations":[`+aGet+`]}`, isJSON, "X-Request-ID: "+long)
	if want := `"X-Request-ID":"` + long[2:] + `.0"`; !strings.Contains(a.body, want) {
		t.Errorf("%s, want %s in it", a.body, want)
	}
}

// TestMultiOrder: operations of one user are done in their order, however the id is spelt, those of
// others beside them, in few messages.
func TestMultiOrder(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startPatient()
	const users = 91
	var (
		order []string
		sent  int
		seen  = make(map[string]bool) // users
		held  []*nats.Msg             // until an operation of each user is under way
	)
	_, err := s.workers.QueueSubscribe(messages.WriteSubject, messages.QueueGroup, func(m *nats.Msg) {
		sent++
		for _, o := range s.operations(m) {
			seen[o.User] = true
			if o.User == "~" {
				order = append(order, string(o.Document))
			}
		}
		if held = append(held, m); len(seen) < users {
			return
		}
		for _, m := range held {
			s.applyAll(m)
		}
		held = nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.workers.Flush(); err != nil { // else the first operations may find no worker
		t.Fatal(err)
	}
	var operations, want []string
	for i := range 100 {
		path, body := fmt.Sprintf("/user/u%d/settings", i), fmt.Sprintf(`{"i":%d}`, i)
		if i%10 == 3 {
			path = []string{"/user/~/settings", "/user/%7E/settings", "/user/%7e/settings?"}[i%3]
			want = append(want, body)
		}
		operations = append(operations, `{"method":"PUT","path":"`+path+`","body":`+body+`}`)
	}
	for i, r := range s.batch(operations...) {
		if r.Status != http.StatusOK || string(r.Body) != fmt.Sprintf(`{"i":%d}`, i) {
			t.Errorf("operation %d: %+v", i, r)
		}
	}
	if err := s.workers.Drain(); err != nil { // the answers are here, so it is done at once
		t.Error(err)
	}
	if !slices.Equal(order, want) {
		t.Errorf("done in the order %v", order)
	}
	if sent > 50 {
		t.Errorf("100 operations took %d messages", sent)
	}
}

// operations are what the API asks for in a message.
func (s *system) operations(m *nats.Msg) []messages.Operation {
	s.t.Helper()
	request, err := messages.DecodeRequest(m.Data)
	if err != nil {
		s.t.Errorf("the API sent %x: %v", m.Data, err)
	}
	return request.Operations
}

// applyAll answers a message as if all its operations had been applied.
func (s *system) applyAll(m *nats.Msg) {
	s.t.Helper()
	request, err := messages.DecodeRequest(m.Data)
	if err != nil {
		s.t.Errorf("the API sent %x: %v", m.Data, err)
	}
	results := slices.Repeat([]messages.Result{{Version: 1}}, len(request.Operations))
	data, err := messages.EncodeReply(messages.Reply{Results: results, Proof: request.Proof()})
	if err == nil {
		err = m.Respond(data)
	}
	if err != nil {
		s.t.Error(err)
	}
}

// TestMultiTime: a batch has the time of one request. What isn't begun by then surely isn't done.
func TestMultiTime(t *testing.T) {
	t.Parallel()
	config := apiConfig
	config.RequestTimeout = 200 * time.Millisecond
	s := newSystem(t, config)
	silent := s.startSilent(messages.WriteSubject)
	silent.asked(func(user string) bool {
		put := `{"method":"PUT","path":"/user/` + user + `/settings","body":{}}`
		results := s.batch(slices.Repeat([]string{put}, 100)...)
		if results[0].Status == http.StatusServiceUnavailable && silent.count(user) == 0 {
			return false // its time was up before it was sent
		}
		for i, r := range results {
			want := http.StatusServiceUnavailable
			if i == 0 {
				want = http.StatusGatewayTimeout
			}
			if r.Status != want || r.Headers["Retry-After"] == "" {
				t.Errorf("operation %d: %+v", i, r)
			}
		}
		eventually(t, "the message has come", func() bool { return silent.count(user) > 0 })
		if n := silent.count(user); n != 1 {
			t.Errorf("%d messages were sent", n)
		}
		return true
	})
}
