package e2e

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
)

// knownTags lets tests speak of versions by their numbers: `"3"` for `"3-hmw2k3p9x4"`. It knows the
// entity tags that have been handed out, by the document and the number.
type knownTags struct {
	known   sync.Map
	applied sync.Map // what requests with keys had in headers, by their identity
}

var (
	wholeTag  = regexp.MustCompile(`"(\d+)(-[0-9a-z]+)?(?:-(\d+)(-[0-9a-z]+)?)?"`)
	numberTag = regexp.MustCompile(`"\d+(?:-\d+)?"`)
)

// number returns the tag with nothing but its numbers.
func number(tag string) string {
	if strings.HasPrefix(tag, `"0-`) { // nothing was saved, so what follows is the schema's
		schema, _, _ := strings.Cut(strings.TrimPrefix(tag, `"0-`), "-")
		return `"0-` + strings.Trim(schema, `"`) + `"`
	}
	p := wholeTag.FindStringSubmatch(tag)
	switch {
	case len(p) == 0:
		return tag
	case p[1] != "0" && p[2] == "":
		return tag
	case p[3] == "":
		return `"` + p[1] + `"`
	default:
		return `"` + p[1] + "-" + p[3] + `"`
	}
}

// owner is the user, or the schema, that a path is about.
func owner(path string) string {
	path, _, _ = strings.Cut(path, "?")
	parts := strings.SplitN(path, "/", 4)
	return strings.Join(parts[:min(len(parts), 3)], "/")
}

// expand puts the whole tags into the value of a request's header.
func (t *knownTags) expand(path, name, value string) string {
	if !strings.EqualFold(name, "If-Match") && !strings.EqualFold(name, "If-None-Match") {
		return value
	}
	return numberTag.ReplaceAllStringFunc(value, func(short string) string {
		if whole, ok := t.known.Load(owner(path) + short); ok {
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
	if short := number(whole); short != whole {
		t.known.Store(owner(path)+short, whole)
		header.Set("ETag", short)
	}
	return whole
}
