// Package testtag lets tests speak of versions by their numbers: `"3"` for `"3-hmw2k3p9x4"`.
package testtag

import (
	"regexp"
	"strings"
)

var whole = regexp.MustCompile(`"(\d+)(-[0-9a-z]+)?(?:-(\d+)(-[0-9a-z]+)?)?"`)

// Number returns an entity tag with nothing but its numbers.
func Number(tag string) string {
	if strings.HasPrefix(tag, `"0-`) { // nothing was saved, so what follows is the schema's
		schema, _, _ := strings.Cut(strings.TrimPrefix(tag, `"0-`), "-")
		return `"0-` + strings.Trim(schema, `"`) + `"`
	}
	p := whole.FindStringSubmatch(tag)
	if p == nil {
		return tag
	}
	switch {
	case p[1] != "0" && p[2] == "":
		return tag
	case p[3] == "":
		return `"` + p[1] + `"`
	default:
		return `"` + p[1] + "-" + p[3] + `"`
	}
}

// Owner is the user, or the schema, that a path is about.
func Owner(path string) string {
	path, _, _ = strings.Cut(path, "?")
	parts := strings.SplitN(path, "/", 4)
	return strings.Join(parts[:min(len(parts), 3)], "/")
}
