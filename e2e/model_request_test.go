package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// request is what a client asks, apart from HTTP. The zero value of a field means that it is
// absent.
type request struct {
	op            string
	user          string
	path          []string // to a value
	version       int64    // of the past
	body          string
	match, none   *tags
	unmodified    time.Time // If-Unmodified-Since, and
	modified      time.Time // If-Modified-Since; zero: without
	key           string
	minimal       bool
	limit, before int64
}

// tags is an If-Match or If-None-Match.
type tags struct {
	any    bool
	listed []oneTag
}

type oneTag struct {
	version int64 // negative: a tag that no version has
	weak    bool
}

func (t *tags) String() string {
	if t.any {
		return "*"
	}
	var list []string
	for _, one := range t.listed {
		text := tag(one.version)
		if one.version < 0 {
			text = `"made-elsewhere"`
		}
		if one.weak {
			text = "W/" + text
		}
		list = append(list, text)
	}
	return strings.Join(list, ", ")
}

// has reports whether the current version is among the tags. For a write, the tag of version zero
// stands for every document that is absent. missing says that the request is about a value that is
// not in the document.
func (t *tags) has(version int64, absent, weakToo, writes, missing bool) bool {
	if t.any {
		return !absent && !missing
	}
	return slices.ContainsFunc(t.listed, func(one oneTag) bool {
		return (weakToo || !one.weak) && (one.version == version ||
			one.version == 0 && absent && writes)
	})
}

// The requests of the model, the first and the last ones of a list being drawn most. The history
// calls a write by the same name, but for those in historical.
var (
	reads = []string{
		"get-value", "get-version", "history", "head", "get", "head-value", "get-value",
	}
	writes = []string{
		"set-value", "put", "merge-patch", "json-patch", "delete-value", "set-value", "post",
		"restore", "delete",
		"set-value", "put", "merge-patch", "json-patch", "delete-value", "set-value", "erase",
		"restore", "put",
	}
	historical = map[string]string{"put": "replace", "post": "replace"}
)

func (r *request) writes() bool { return slices.Contains(writes, r.op) }

// same reports whether the programs take it for the same request. How the answer is to look
// (return=minimal) makes no difference.
func (r *request) same(as *request) bool {
	one, other := *r, *as
	one.minimal, other.minimal = false, false
	return reflect.DeepEqual(one.call(), other.call())
}

// call is the request in HTTP.
func (r *request) call() call {
	c := call{path: settingsOf(r.user), body: r.body}
	switch r.op {
	case "get":
		c.method = http.MethodGet
	case "head":
		c.method = http.MethodHead
	case "put", "post":
		c.method = strings.ToUpper(r.op)
		c.header = []string{isJSON}
	case "merge-patch":
		c.method, c.header = http.MethodPatch, []string{isMerge}
	case "json-patch":
		c.method, c.header = http.MethodPatch, []string{isJSONPatch}
	case "delete":
		c.method = http.MethodDelete
	case "get-value", "head-value":
		c.method, c.path = strings.ToUpper(strings.TrimSuffix(r.op, "-value")),
			settingsOf(r.user, r.path...)
	case "set-value":
		c.method, c.path, c.header = http.MethodPut, settingsOf(r.user, r.path...), []string{isJSON}
	case "delete-value":
		c.method, c.path = http.MethodDelete, settingsOf(r.user, r.path...)
	case "get-version":
		c.method, c.path = http.MethodGet, versionOf(r.user, r.version)
	case "restore":
		c.method, c.path = http.MethodPost, versionOf(r.user, r.version)+"/restore"
	case "erase":
		c.method, c.path = http.MethodDelete, userOf(r.user)
	case "history":
		query := make(url.Values)
		for name, n := range map[string]int64{"limit": r.limit, "before": r.before} {
			if n > 0 {
				query.Set(name, strconv.FormatInt(n, 10))
			}
		}
		c.method, c.path = http.MethodGet, strings.TrimSuffix(historyOf(r.user)+"?"+query.Encode(),
			"?")
	}
	if r.match != nil {
		c.header = append(c.header, "If-Match: "+r.match.String())
	}
	if r.none != nil {
		c.header = append(c.header, "If-None-Match: "+r.none.String())
	}
	if !r.unmodified.IsZero() {
		c.header = append(
			c.header, "If-Unmodified-Since: "+r.unmodified.UTC().Format(http.TimeFormat),
		)
	}
	if !r.modified.IsZero() {
		c.header = append(c.header, "If-Modified-Since: "+r.modified.UTC().Format(http.TimeFormat))
	}
	if r.key != "" {
		c.header = append(c.header, fmt.Sprintf("Idempotency-Key: %q", r.key))
	}
	if r.minimal {
		c.header = append(c.header, minimal)
	}
	return c
}
