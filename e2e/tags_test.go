package e2e

import (
	"net/http"
	"regexp"
	"strings"
	"sync"
)

// knownTags lets tests speak of versions by their numbers: `"3"` for `"3-hmw2k3p9x4"`. It knows the
// entity tags that have been handed out, by the document and the number.
type knownTags struct{ known sync.Map }

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
	case p == nil || p[1] != "0" && p[2] == "":
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
			return whole.(string)
		}
		return short
	})
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
