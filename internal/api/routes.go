package api

import (
	"slices"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/outset-settings/outset/pkg/messages"
)

// otherMethod replaces every method that fiber doesn't know. fiber would answer these by itself,
// without a problem.
const otherMethod = "OTHER"

// routes returns the app with all routes, each behind its row in the table of package access.
func (s *Server) routes() (*fiber.App, error) {
	app := fiber.New(fiber.Config{
		AppName:               "Outset",
		DisableStartupMessage: true,
		// Strings of a request outlive its handler, in batches that are still being sent when the
		// request times out. Without this fasthttp would overwrite them with the next request.
		Immutable:      true,
		StrictRouting:  true,
		CaseSensitive:  true,
		BodyLimit:      s.config.MaxDocument,
		Concurrency:    2*s.config.MaxConnections + 1024, // admission.go has the limit
		ReadTimeout:    s.config.ReadTimeout,
		WriteTimeout:   s.timing.write,
		IdleTimeout:    s.config.IdleTimeout,
		ReadBufferSize: maxHeaders,
		ErrorHandler:   s.fail,
		// See date.go.
		DisableDefaultDate: true,
		JSONEncoder:        encode,
		// Without this fiber would believe everybody's X-Forwarded headers. What they say is found
		// in edge.go.
		EnableTrustedProxyCheck: true,
		RequestMethods:          append(slices.Clone(fiber.DefaultMethods), otherMethod),
	})
	app.Server().KeepHijackedConns = true // the hub closes them
	app.Server().ConnState = trackState
	s.streamBodies(app.Server())

	s.handle = app.Handler()
	app.Server().Handler = s.serve
	app.Server().ExpectHandler = s.answerExpectation

	corsHeaders, corsPreflights := s.cors()
	for _, middleware := range []fiber.Handler{corsHeaders, s.frame, corsPreflights} {
		if middleware != nil {
			app.Use(middleware)
		}
	}
	// A new route needs a line here, a row in internal/access/routes.go, a handler in the file of
	// its subject, and a path in openapi.json. All requests are counted in frame.
	middlewares := depths(app)
	app.Get("/healthz", s.alive)
	app.Get("/readyz", s.ready)
	app.Get("/limits", s.getLimits)
	s.registerPages(app)
	s.registerConsole(app)

	app.Post(multiPath, s.postMulti)
	app.Get("/users", s.getUsers)
	app.Get("/schema", s.getSchema)
	app.Put("/schema", s.putSchema)
	app.Delete("/schema", s.deleteSchema)
	app.Delete("/user/:id", s.deleteUser)
	app.Get("/user/:id/settings", s.getSettings)
	app.Put("/user/:id/settings", s.putSettings)
	app.Post("/user/:id/settings", s.postSettings)
	app.Patch("/user/:id/settings", s.patchSettings)
	app.Delete("/user/:id/settings", s.deleteSettings)
	app.Get("/user/:id/settings/*", s.getValue)
	app.Put("/user/:id/settings/*", s.putValue)
	app.Delete("/user/:id/settings/*", s.deleteValue)
	app.Get("/user/:id/history", s.getHistory)
	app.Get("/user/:id/history/:version", s.getVersion)
	app.Post("/user/:id/history/:version/restore", s.restoreVersion)
	app.Get("/user/:id/events", s.getEvents)
	app.Post("/user/:id/events/cookie", s.postEventsCookie)
	app.Get("/tokens", s.getTokens)
	app.Post("/tokens", s.postToken)
	app.Delete("/tokens/:id", s.deleteToken)
	app.Get("/identity", s.getIdentity)
	app.Get("/pool", s.getPool)
	app.Get("/users/events", s.getUsersEvents)
	app.Get("/users/export", s.exportUsers)
	app.Post(importPath, s.importUsers)
	return app, s.guardRoutes(app, middlewares)
}

// serve answers a request, later if it is one refusal too many.
func (s *Server) serve(c *fasthttp.RequestCtx) {
	s.answer(c)
	s.delayRefusal(c)
	if s.stopping.Load() {
		c.SetConnectionClose()
	}
}

// answer makes the answer to a request.
func (s *Server) answer(c *fasthttp.RequestCtx) {
	occupy(c)
	beginHead(c)
	if !slices.Contains(fiber.DefaultMethods, string(c.Method())) {
		c.Request.Header.SetMethod(otherMethod)
	}
	err := checkHead(&c.Request.Header)
	if bareLF, _ := headOf(c); err == nil && bareLF { // in the first line
		err = problem{kind: messages.KindMalformed, detail: errBareLF.Error()}
	}
	if err != nil {
		s.refuseHead(c, err)
		return
	}
	if !answeredByAdmin(c) {
		s.handle(c)
		compress(c)
	}
}
