package api_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// exchange is a request and the answer that it must get: a line of the specification.
type exchange struct {
	request string // method and path; $ stands for a user of the test's own, #2 for another
	header  string // lines
	body    string
	status  int
	answer  string // header lines that must be there; "Name:" alone must not
	content string // the body, byte for byte; or nothing, or problem(kind); "": whatever
}

const (
	nothing  = "(nothing)"
	isMerge  = "Content-Type: application/merge-patch+json"
	isPatch  = "Content-Type: application/json-patch+json"
	wantLess = "Prefer: return=minimal"
)

// problem is the content of an answer that is a problem of this kind.
func problem(kind string) string { return "problem:" + kind }

// lines puts header lines together.
func lines(l ...string) string { return strings.Join(l, "\n") }

// story runs exchanges one after the other, for a user whom no other story has.
func (s *system) story(t *testing.T, name string, exchanges ...exchange) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		user := "u" + strings.ReplaceAll(strings.ReplaceAll(t.Name(), "/", "-"), "#", "")
		names := strings.NewReplacer("$", "/user/"+escape(user))
		for i, e := range exchanges {
			method, path, _ := strings.Cut(names.Replace(e.request), " ")
			var header []string
			if e.header != "" {
				header = strings.Split(e.header, "\n")
			}
			a := s.do(method, path, e.body, header...)
			for _, fault := range e.faults(a, names.Replace) {
				t.Errorf("%d. %s %.60s\n%s\n     %s\n     got %d %v\n     %.300s", i+1, e.request,
					e.body, e.header, fault, a.status, a.header, a.body)
			}
		}
	})
}

// faults tells what is wrong with an answer.
func (e exchange) faults(a answer, names func(string) string) []string {
	var faults []string
	if a.status != e.status {
		faults = append(faults, "want "+http.StatusText(e.status))
	}
	for line := range strings.Lines(e.answer) {
		name, want, _ := strings.Cut(strings.TrimSpace(line), ":")
		want = names(strings.TrimSpace(want))
		if got := strings.Join(a.header.Values(name), ", "); got != want {
			faults = append(faults, name+" is "+got+", want "+want)
		}
	}
	kind, isProblem := strings.CutPrefix(e.content, "problem:")
	switch {
	case e.content == "" || !isProblem && e.content != nothing &&
		inBody.ReplaceAllString(a.body, "") == names(e.content):
	case e.content == nothing && a.body == "":
	case isProblem && isProblemOf(a, kind):
	default:
		faults = append(faults, "want "+names(e.content))
	}
	return faults
}

// follow is the address that a reference in the answer to a request for an address leads to; "" for
// none.
func follow(t testing.TB, address, reference string) string {
	t.Helper()
	if reference == "" {
		return ""
	}
	u, err := url.Parse(address)
	if err == nil {
		u, err = u.Parse(reference)
	}
	if err != nil {
		t.Fatal(err)
	}
	return u.String()
}

// isProblemOf tells whether an answer is a whole problem (RFC 9457) of this kind.
func isProblemOf(a answer, kind string) bool {
	var p struct {
		Type, Kind, Title, RequestID string
		Status                       int
	}
	retryable := map[string]bool{
		"overloaded": true, "unavailable": true, "deadline-exceeded": true, "outcome-unknown": true,
	}
	return json.Unmarshal([]byte(a.body), &p) == nil &&
		strings.HasSuffix("/"+p.Type, "/problems/"+kind) && p.Kind == kind && p.Title != "" && p.Status == a.status &&
		p.RequestID == a.header.Get("X-Request-ID") &&
		a.header.Get("Content-Type") == "application/problem+json" &&
		(a.header.Get("Retry-After") != "") == retryable[kind]
}
