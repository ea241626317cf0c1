package api

import (
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/outset-settings/outset/pkg/messages"
)

// All references in answers are relative to the address of the request (RFC 3986, section 5), so
// that they hold under whatever prefix a proxy serves the API: it takes the prefix from the request
// and can't put it into what is handed out. Those in a subrequest's answer are relative to the
// address that the subrequest would have by itself.

// rootFrom returns the reference that leads from the address of a request to the root of the API:
// "../" for each segment of its path but the last. It is "" where that is the only one.
func rootFrom(c *fiber.Ctx) string {
	return strings.Repeat("../", max(strings.Count(c.Path(), "/")-1, 0))
}

// problemReference returns the reference to the page about a kind.
func problemReference(root string, kind messages.Kind) string {
	return root + "problems/" + string(kind)
}

// linkNext sets the link to the next page (RFC 8288): the address of the request with another
// query, which begins with "?".
func linkNext(c *fiber.Ctx, query string) { set(c, fiber.HeaderLink, "<"+query+`>; rel="next"`) }

// valueReference returns the reference from the value at a path to the one at another path of the
// same document, which is as long.
func valueReference(from, to []string) string {
	same := 0
	for same < len(to)-1 && same < len(from) && from[same] == to[same] {
		same++
	}
	changed := make([]string, 0, len(to))
	for _, token := range to[same:] {
		changed = append(changed, segment(token))
	}
	up := strings.Repeat("../", len(changed)-1)
	if up == "" && strings.Contains(changed[0], ":") {
		up = "./" // else what is before the colon would be a scheme (section 4.2)
	}
	return up + strings.Join(changed, "/")
}
