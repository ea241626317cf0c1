package api

import (
	_ "embed"
	"sync"

	"github.com/gofiber/fiber/v2"

	"github.com/outset-settings/outset/clients/browser"
)

var (
	//go:embed openapi.json
	openAPI []byte
	//go:embed docs.html
	docsHTML []byte
	//go:embed docs.js
	docsJS []byte
	//go:embed console/elements.js
	elementsJS []byte
	//go:embed docs.css
	docsCSS []byte
)

const (
	mimeCSS        = "text/css; charset=utf-8"
	mimeJavaScript = "text/javascript; charset=utf-8"
)

// docsPolicy lets the page load what is served here and nothing else. Its icon is an empty data:
// URL, so that browsers don't look for one.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; " +
	"img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; " +
	"frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// registerDocs adds the API's description: as a file for programs, as a page for people; and the
// client for browsers. The page is our own, since the usual ones are megabytes of libraries that
// have to be kept free of known holes.
func registerDocs(app *fiber.App) {
	all := docs()
	app.Get("/openapi.json", all["openapi.json"].send)
	app.Get("/client.js", all["client.js"].send)
	app.Get("/client.d.ts", all["client.d.ts"].send)
	app.Get("/docs", all["docs"].send)
	app.Get("/docs/:file", func(c *fiber.Ctx) error {
		return all.send(c, "docs/"+c.Params("file"))
	})
}

// docs are the description, the files of its page and those of the client, by path.
var docs = sync.OnceValue(func() pages {
	return pages{
		"openapi.json":     newPage(fiber.MIMEApplicationJSON, "", openAPI),
		"client.js":        newPage(mimeJavaScript, "", browser.Client),
		"client.d.ts":      newPage(fiber.MIMETextPlainCharsetUTF8, "", browser.Types),
		"docs":             newPage(fiber.MIMETextHTMLCharsetUTF8, docsPolicy, docsHTML),
		"docs/start.js":    newPage(mimeJavaScript, docsPolicy, docsJS),
		"docs/elements.js": newPage(mimeJavaScript, docsPolicy, elementsJS),
		"docs/style.css":   newPage(mimeCSS, docsPolicy, docsCSS),
	}
})
