package api

import (
	"embed"
	"path"
	"sync"

	"github.com/gofiber/fiber/v2"
)

//go:embed console
var consoleFiles embed.FS

// registerConsole adds the page for operators. It is a client like any other: all that it shows and
// does are requests of the API, with the token of whoever uses it. Without CONSOLE it is only on
// the admin address.
func (s *Server) registerConsole(app *fiber.App) {
	send := func(name func(*fiber.Ctx) string) fiber.Handler {
		return func(c *fiber.Ctx) error {
			if !s.config.Console && adminOf(c.Context()) == nil {
				return fiber.ErrNotFound
			}
			return console().send(c, name(c))
		}
	}
	app.Get("/console", send(func(*fiber.Ctx) string { return "index.html" }))
	app.Get("/console/:file", send(func(c *fiber.Ctx) string { return c.Params("file") }))
}

// console are the files of the page, by name.
var console = sync.OnceValue(func() pages {
	types := map[string]string{
		".html": fiber.MIMETextHTMLCharsetUTF8, ".css": mimeCSS, ".js": mimeJavaScript,
	}
	entries, err := consoleFiles.ReadDir("console")
	all := make(pages)
	for _, e := range entries {
		var body []byte
		if body, err = consoleFiles.ReadFile("console/" + e.Name()); err != nil {
			break
		}
		all[e.Name()] = newPage(types[path.Ext(e.Name())], docsPolicy, body)
	}
	if err != nil {
		panic(err) // they are compiled in
	}
	return all
})
