package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/outset-settings/outset/pkg/messages"
)

// TestLimitsAreKept: however many clients want the limits, few of them ask a worker; and a failure
// isn't kept.
func TestLimitsAreKept(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	var asked atomic.Int64
	s.startFake(messages.ReadSubject, func(messages.Request) *messages.Reply {
		if asked.Add(1) == 1 {
			return &messages.Reply{Results: []messages.Result{{
				Kind: messages.KindUnavailable, Detail: "not yet",
			}}}
		}
		return &messages.Reply{Results: []messages.Result{{
			Document: []byte(`{"document":{"bytes":100},"history":{"versions":7}}`),
		}}}
	})
	eventually(t, "there are limits", func() bool {
		return s.do("GET", "/limits", "").status == http.StatusOK
	})
	asked.Store(0)
	var clients sync.WaitGroup
	for range 10 {
		clients.Go(func() {
			for range 5 {
				if a := s.do("GET", "/limits", ""); a.status != http.StatusOK {
					t.Errorf("%+v", a)
				}
			}
		})
	}
	clients.Wait()
	if n := asked.Load(); n > 10 { // once in five seconds, however slow the machine is
		t.Errorf("50 requests asked the workers %d times", n)
	}
}

// nestedArrays returns arrays, so many one inside the other.
func nestedArrays(levels int) string {
	return strings.Repeat("[", levels) + strings.Repeat("]", levels)
}

// joined returns n texts with commas between them.
func joined(n int, text func(i int) string) string {
	all := make([]string, n)
	for i := range all {
		all[i] = text(i)
	}
	return strings.Join(all, ",")
}

// limited is a request that is taken with n of what has a limit if n is within that.
type limited struct {
	call   string // method and path; % is n bytes of text
	header string
	body   func(n int) string
	beyond int // the status of one more than the limit
}

const putSettings = "PUT /user/1/settings"

// limitedRequests are by the name of their limit. Those without a request are tried elsewhere, or
// are no bounds of what may be sent.
var limitedRequests = map[string]*limited{
	"document.bytes": {putSettings, isJSON, func(n int) string {
		return `{"":"` + strings.Repeat("x", n-len(`{"":""}`)) + `"}`
	}, 413},
	"document.depth": {putSettings, isJSON, func(n int) string {
		return `{"":` + nestedArrays(n-1) + `}`
	}, 400},
	"document.keys": {putSettings, isJSON, func(n int) string {
		const letters = "abcdefghijklmnopqrst"
		return `{"":[` + joined((n-1)/20, func(int) string {
			return `{` + joined(20, func(i int) string { return `"` + letters[i:i+1] + `":0` }) + `}`
		}) + `,{` + joined((n-1)%20, func(i int) string {
			return `"` + letters[i:i+1] + `":0`
		}) + `}]}`
	}, 422},
	"document.keyBytes": {putSettings, isJSON, func(n int) string {
		return `{"` + strings.Repeat("x", n) + `":0}`
	}, 422},
	"document.numberDigits": {putSettings, isJSON, func(n int) string {
		return `{"":` + strings.Repeat("1", n) + `}`
	}, 422},
	"patch.depth": {"PATCH /user/1/settings", isPatch, func(n int) string {
		return `[{"op":"add","path":"","value":{"":` + nestedArrays(n-3) + `}}]`
	}, 400},
	"patch.copyBytes": {"PATCH /user/1/settings", isPatch, func(n int) string {
		const beside, each = 6 + 2, 8 << 10 // the first string makes up for what the others leave
		text := func(n int) string { return `"` + strings.Repeat("x", n-beside) + `"` }
		return `[{"op":"add","path":"","value":{"rest":` + text(n%each+each) + `,"a":` + text(each) +
			`}},{"op":"copy","from":"/rest","path":"/b"},` + joined(n/each-1, func(int) string {
			return `{"op":"copy","from":"/a","path":"/b"}`
		}) + `]`
	}, 413},
	"schema.depth": {"PUT /schema", isJSON, func(n int) string {
		return `{"examples":` + nestedArrays(n-1) + `}`
	}, 400},
	"schema.schemas": {"PUT /schema", isJSON, func(n int) string {
		return `{"$defs":{` + joined(n-1, func(i int) string {
			return fmt.Sprintf(`"%d":{}`, i)
		}) + `}}`
	}, 422},
	"schema.patternBytes": {"PUT /schema", isJSON, func(n int) string {
		return `{"pattern":"` + strings.Repeat("x", n) + `"}`
	}, 422},
	"schema.patternGroups": {"PUT /schema", isJSON, func(n int) string {
		return `{"pattern":"` + strings.Repeat("(", n) + strings.Repeat(")", n) + `"}`
	}, 422},
	"schema.chain": {"PUT /schema", isJSON, func(n int) string {
		return strings.Repeat(`{"not":`, n-1) + "{}" + strings.Repeat("}", n-1)
	}, 422},
	"batch.operations": {"POST /batch", isJSON, func(n int) string {
		return `{"operations":[` + joined(n, func(int) string {
			return `{"method":"GET","path":"/user/1/settings"}`
		}) + `]}`
	}, 400},
	"request.userIdBytes":         {"PUT /user/%/settings", isJSON, nil, 400},
	"request.idempotencyKeyBytes": {putSettings, isJSON + "\n" + `Idempotency-Key: "%"`, nil, 400},

	// Of schemas that are too large for the default of document.bytes, or of which only the work
	// is counted: in package schema.
	"schema.values": nil, "schema.pointerBytes": nil, "schema.evaluations": nil, "schema.work": nil,
	// In tests of their own.
	"batch.bytes": nil, "request.headerBytes": nil, "request.pathBytes": nil,
	"request.pathParts": nil, "request.entityTags": nil, "request.timeoutMilliseconds": nil,
	"tokens.count": nil, "tokens.nameBytes": nil, "tokens.cookieBytes": nil,
	// Larger numbers in a query are refused, too; or nothing is.
	"users.page": nil, "history.page": nil, "history.versions": nil, "history.hours": nil,
	"history.bytes": nil,
}

// TestLimitsHold: what is at a limit that can be read is taken, and what is one beyond is refused.
func TestLimitsHold(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	var limits map[string]map[string]int
	if err := json.Unmarshal([]byte(s.do("GET", "/limits", "").body), &limits); err != nil {
		t.Fatal(err)
	}
	known := 0
	for group, of := range limits {
		for name, n := range of {
			known++
			r, ok := limitedRequests[group+"."+name]
			if !ok {
				t.Errorf("%s.%s is tried by no test", group, name)
			}
			if r == nil {
				continue
			}
			if status, body := r.send(s, n); status >= 400 {
				t.Errorf("%s.%s of %d: %d %s", group, name, n, status, body)
			}
			if status, body := r.send(s, n+1); status != r.beyond {
				t.Errorf("%s.%s of %d, one beyond: %d %s, want %d", group, name, n+1, status, body,
					r.beyond)
			}
			s.do("DELETE", "/schema", "")
		}
	}
	if known != len(limitedRequests) {
		t.Errorf("%d limits, want %d", known, len(limitedRequests))
	}
}

func (r *limited) send(s *system, n int) (status int, body string) {
	filled := func(text string) string {
		return strings.Replace(text, "%", strings.Repeat("x", n), 1)
	}
	method, path, _ := strings.Cut(filled(r.call), " ")
	text := "{}"
	if r.body != nil {
		text = r.body(n)
	}
	a := s.do(method, path, text, strings.Split(filled(r.header), "\n")...)
	return a.status, a.body
}
