// Package load makes the requests of the measurements: which, about whom, in closed loops (wrk) or
// at a fixed rate whatever the answers do.
package load

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
)

// DocumentBytes is the size of every document, so that an answer of another size is a wrong one.
const DocumentBytes = 400

// Before and after the eight digits in which documents differ.
const (
	before = `{"theme":"dark","language":"en","timezone":"Europe/Berlin","counter":"`
	after  = `","notifications":{"email":true,"push":false,"digest":"weekly"},"font":{"family":"Inter","size":14},` +
		`"layout":{"sidebar":"left","density":"comfortable","columns":["name","owner","modified","size"]},"note":"`
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

// Path returns where the n-th user's settings are.
func Path(n int) string { return "/user/" + User(n) + "/settings" }

// Workload is what is asked.
type Workload struct {
	Method string // GET, PUT, POST or PATCH
	Users  int
	Zipf   bool // else users are drawn uniformly
	Seed   uint64
}

// around returns what stands before and after the eight digits of a request's body, and its media
// type; nothing for requests without one.
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

// AnswerBytes returns the size of the body that the right answer has.
func (w Workload) AnswerBytes() int {
	if w.Method == http.MethodPost {
		return DocumentBytes + len(`{"status":"settings updated","userId":"","settings":}`) + len(User(0))
	}
	return DocumentBytes
}

// requests returns a function that appends the next request to b. It is not safe for concurrent
// use.
func (w Workload) requests() func(b []byte) []byte {
	draw := rand.New(rand.NewPCG(w.Seed, 1))
	prefix, suffix, mediaType := w.around()
	head := "/settings HTTP/1.1\r\nHost: bench\r\n"
	if mediaType != "" {
		head += fmt.Sprintf("Content-Type: %s\r\nContent-Length: %d\r\n", mediaType,
			len(prefix)+len("00000000")+len(suffix))
	}
	start := w.Method + " /user/"
	return func(b []byte) []byte {
		b = append(append(append(b, start...), User(draw.IntN(w.Users))...), head...)
		b = append(append(b, "\r\n"...), prefix...)
		if mediaType != "" {
			b = fmt.Appendf(b, "%08d", draw.IntN(1e8))
		}
		return append(b, suffix...)
	}
}

// Body returns the body of a request with the number n, and its media type; nothing for requests
// without one.
func (w Workload) Body(n int) (text, mediaType string) {
	prefix, suffix, mediaType := w.around()
	if mediaType == "" {
		return "", ""
	}
	return fmt.Sprintf("%s%08d%s", prefix, n, suffix), mediaType
}
