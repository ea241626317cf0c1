package e2e

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"

	"github.com/outset-settings/outset/internal/testtag"
)

// knownTags lets tests speak of versions by their numbers: `"3"` for `"3-hmw2k3p9x4"`. It knows the
// entity tags that have been handed out, by the document and the number.
type knownTags struct {
	known   sync.Map
	applied sync.Map // what requests with keys had in headers, by their identity
}

var numberTag = regexp.MustCompile(`"\d+(?:-\d+)?"`)

// expand puts the whole tags into the value of a request's header.
func (t *knownTags) expand(path, name, value string) string {
	if !strings.EqualFold(name, "If-Match") && !strings.EqualFold(name, "If-None-Match") {
		return value
	}
	return numberTag.ReplaceAllStringFunc(value, func(short string) string {
		if whole, ok := t.known.Load(testtag.Owner(path) + short); ok {
			return fmt.Sprint(whole)
		}
		return short
	})
}

// header is that of a request. One that was applied is repeated as it was then.
func (t *knownTags) header(c call) http.Header {
	header := make(http.Header)
	for _, line := range c.header {
		name, value, _ := strings.Cut(line, ": ")
		if first, ok := t.applied.Load(identity(c, line)); ok {
			value = fmt.Sprint(first)
		} else {
			value = t.expand(c.path, name, value)
		}
		header.Add(name, value)
	}
	return header
}

// answered notes which header a request had that was applied.
func (t *knownTags) answered(c call, sent http.Header, status int) {
	if status >= http.StatusMultipleChoices || sent.Get("Idempotency-Key") == "" {
		return
	}
	for _, line := range c.header {
		if name, _, _ := strings.Cut(line, ": "); strings.HasPrefix(name, "If-") {
			t.applied.LoadOrStore(identity(c, line), sent.Get(name))
		}
	}
}

// identity is the line of a request that is the same whatever answer it prefers.
func identity(c call, line string) string {
	same := []string{c.method, c.path, c.body, line}
	for _, other := range c.header {
		if !strings.HasPrefix(other, "Prefer: ") {
			same = append(same, other)
		}
	}
	return strings.Join(same, "\n")
}

// shorten remembers the tag of an answer, and leaves only the number in its header.
func (t *knownTags) shorten(path string, header http.Header) (whole string) {
	whole = header.Get("ETag")
	if short := testtag.Number(whole); short != whole {
		t.known.Store(testtag.Owner(path)+short, whole)
		header.Set("ETag", short)
	}
	return whole
}
