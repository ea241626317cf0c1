package api

import (
	_ "embed"
	"io/fs"
	"sync"

	"github.com/gofiber/fiber/v2"
	swagger "github.com/swaggo/files/v2"
)

var (
	//go:embed openapi.json
	openAPI []byte
	//go:embed docs.html
	docsHTML []byte
	//go:embed docs.js
	docsJS []byte
)

// docsPolicy lets Swagger UI load what is served here and nothing else. Its icons are data: URLs.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; " +
	"img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; " +
	"frame-ancestors 'none'"

// registerDocs adds the API's description: as a file for programs, with Swagger UI for people.
func registerDocs(app *fiber.App) {
	all := docs()
	app.Get("/openapi.json", all["openapi.json"].send)
	app.Get("/docs", all["docs"].send)
	app.Get("/docs/:file", func(c *fiber.Ctx) error {
		return all.send(c, "docs/"+c.Params("file"))
	})
}

// docs are the description and those files of Swagger UI that are used, by path.
var docs = sync.OnceValue(func() pages {
	const (
		css        = "text/css; charset=utf-8"
		javascript = "text/javascript; charset=utf-8"
	)
	all := pages{
		"openapi.json":  newPage(fiber.MIMEApplicationJSON, "", openAPI),
		"docs":          newPage(fiber.MIMETextHTMLCharsetUTF8, docsPolicy, docsHTML),
		"docs/start.js": newPage(javascript, docsPolicy, docsJS),
	}
	for name, contentType := range map[string]string{
		"swagger-ui.css": css, "swagger-ui-bundle.js": javascript, "favicon-32x32.png": "image/png",
	} {
		body, err := fs.ReadFile(swagger.FS, name)
		if err != nil {
			panic(err) // the file is compiled in, and tested
		}
		all["docs/"+name] = newPage(contentType, docsPolicy, body)
	}
	return all
})
