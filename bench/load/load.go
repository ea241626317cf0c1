// Package load makes the requests of the measurements: in closed loops (wrk), or in an open loop
// at a fixed rate, whatever the answers do.
package load

import (
	"fmt"
	"net/http"
	"strings"
)

// DocumentBytes is the size of every document, so that an answer of another size is a wrong one.
const DocumentBytes = 400

// Before and after the eight digits in which documents differ.
const (
	before = `{"theme":"dark","language":"en","timezone":"Europe/Berlin","counter":"`
	after  = `","notifications":{"email":true,"push":false,"digest":"weekly"},` +
		`"font":{"family":"Inter","size":14},"layout":{"sidebar":"left","density":"comfortable",` +
		`"columns":["name","owner","modified","size"]},"note":"`
	end = `"}`
)

// DocumentAround returns what stands before and after the eight digits of a document.
func DocumentAround() (prefix, suffix string) {
	padding := DocumentBytes - len(before) - len("00000000") - len(after) - len(end)
	return before, after + strings.Repeat("-", padding) + end
}

// Document returns the n-th document.
func Document(n int) []byte {
	prefix, suffix := DocumentAround()
	return fmt.Appendf(nil, "%s%08d%s", prefix, n, suffix)
}

// User returns the id of the n-th user.
func User(n int) string { return fmt.Sprintf("u%08d", n) }

// Path returns the path of the n-th user's settings.
func Path(n int) string { return "/user/" + User(n) + "/settings" }

// Draw is how wrk chooses the users of its requests.
type Draw string

// The draws. Open loops know Uniform only.
const (
	Uniform Draw = "uniform"
	Zipf    Draw = "zipf" // the k-th most popular user is asked for 1/k as often as the first
	Next    Draw = "next" // one user after the other, beginning with First
)

// Workload says which requests are made.
type Workload struct {
	Method string // GET, PUT, POST or PATCH
	Users  int    // users to draw from
	Draw   Draw
	First  int // of Next
	Seed   uint64
	Tokens []string // that the users send, by number; nil: none. Open loops send none.
}

// around returns what stands before and after the eight digits of a request's body, and its media
// type; empty strings for requests without a body.
func (w Workload) around() (prefix, suffix, mediaType string) {
	switch w.Method {
	case http.MethodPut, http.MethodPost:
		prefix, suffix = DocumentAround()
		return prefix, suffix, "application/json"
	case http.MethodPatch:
		return `{"counter":"`, `"}`, "application/merge-patch+json"
	}
	return "", "", ""
}

// AnswerBytes returns the size of the body of a correct answer.
func (w Workload) AnswerBytes() int {
	if w.Method == http.MethodPost {
		const around = `{"status":"settings updated","userId":"","settings":}`
		return DocumentBytes + len(around) + len(User(0))
	}
	return DocumentBytes
}

// Body returns the body of a request with the number n, and its media type; empty strings for
// requests without one.
func (w Workload) Body(n int) (text, mediaType string) {
	prefix, suffix, mediaType := w.around()
	if mediaType == "" {
		return "", ""
	}
	return fmt.Sprintf("%s%08d%s", prefix, n, suffix), mediaType
}
