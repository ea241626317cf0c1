package api_test

import (
	"net/http"
	"regexp"
	"strings"
	"sync"

	"github.com/outset-settings/outset/internal/testtag"
)

// tags lets tests speak of versions by their numbers: `"3"` for `"3-hmw2k3p9x4"`. It knows the
// entity tags that have been handed out, by the document and the number.
type tags struct {
	known  sync.Map
	asSent bool // requests have what the test says
}

var (
	numberTag = regexp.MustCompile(`"\d+(?:-\d+)?(?:-gzip|-br|-zstd)?"`)
	codingTag = regexp.MustCompile(`(-gzip|-br|-zstd)"$`)
	inBody    = regexp.MustCompile(`,"etag":"\\"[^"]*\\""`)
)

// number returns the tag with nothing but its numbers, and its coding if it has one.
func number(tag string) string {
	plain, coding := withoutCoding(tag)
	return withCoding(testtag.Number(plain), coding)
}

// withoutCoding splits a tag into that of what isn't compressed, and the coding with its dash.
func withoutCoding(tag string) (plain, coding string) {
	if m := codingTag.FindStringSubmatch(tag); m != nil {
		return strings.TrimSuffix(tag, m[0]) + `"`, m[1]
	}
	return tag, ""
}

func withCoding(plain, coding string) string {
	if coding == "" {
		return plain
	}
	return strings.TrimSuffix(plain, `"`) + coding + `"`
}

// expand puts the whole tags into the value of a request's header.
func (t *tags) expand(path, name, value string) string {
	if t.asSent || !strings.EqualFold(name, "If-Match") && !strings.EqualFold(name, "If-None-Match") {
		return value
	}
	return numberTag.ReplaceAllStringFunc(value, func(short string) string {
		plain, coding := withoutCoding(short)
		if whole, ok := t.known.Load(testtag.Owner(path) + plain); ok {
			return withCoding(whole.(string), coding) //nolint:errcheck // a panic tells as much
		}
		return short
	})
}

// shorten remembers the tag of an answer, and leaves only the number in its header.
func (t *tags) shorten(path string, header http.Header) (whole string) {
	whole = header.Get("ETag")
	if short := number(whole); short != whole {
		plain, _ := withoutCoding(whole)
		plainShort, _ := withoutCoding(short)
		t.known.Store(testtag.Owner(path)+plainShort, plain)
		header.Set("ETag", short)
	}
	return whole
}
