// Command direct is what Outset is measured against: the program that one would write without a
// queue. Each request is one statement (a patch: one transaction) from a pool of connections.
//
// It has the API's limits for HTTP and ids. Of Outset's promises it keeps one: a 2xx is durable.
// It has no versions, preconditions, idempotency or history, and no validation but Postgres's own.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gofiber/fiber/v2"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "direct:", err)
		os.Exit(1)
	}
}

func run() error {
	flags := flag.NewFlagSet("direct", flag.ContinueOnError)
	addr := flags.String("http", "127.0.0.1:8080", "address to listen on")
	database := flags.String("database", "", "URL of the database")
	connections := flags.Int("connections", defaultConnections, "connections to the database")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	s, err := openStore(ctx, *database, *connections)
	if err != nil {
		return err
	}
	defer s.pool.Close()
	app := routes(s)
	context.AfterFunc(ctx, func() { _ = app.ShutdownWithTimeout(5 * time.Second) })
	return app.Listen(*addr)
}

// routes returns a server with the API's settings but one: Immutable, which copies, is off, since
// nothing of a request outlives its handler here. That makes direct faster.
func routes(s *store) *fiber.App {
	const maxDocument = 64 << 10
	app := fiber.New(fiber.Config{
		DisableStartupMessage: true,
		StrictRouting:         true,
		CaseSensitive:         true,
		BodyLimit:             4 * maxDocument,
		Concurrency:           16384,
		ReadTimeout:           10 * time.Second,
		WriteTimeout:          10 * time.Second,
		IdleTimeout:           2 * time.Minute,
		ReadBufferSize:        8 << 10,
	})
	const path = "/user/:id/settings"
	app.Get(path, answer(func(c *fiber.Ctx, user string) ([]byte, error) {
		return s.get(c.UserContext(), user)
	}))
	app.Put(path, answer(func(c *fiber.Ctx, user string) ([]byte, error) {
		return c.BodyRaw(), s.put(c.UserContext(), user, c.BodyRaw())
	}))
	app.Patch(path, answer(func(c *fiber.Ctx, user string) ([]byte, error) {
		return s.patch(c.UserContext(), user, c.BodyRaw())
	}))
	return app
}

// answer returns a handler that sends the document that do returns for the user. The context that
// handlers pass on never ends: one that can end would cost pgx a goroutine for each statement.
func answer(do func(c *fiber.Ctx, user string) ([]byte, error)) fiber.Handler {
	return func(c *fiber.Ctx) error {
		user, err := url.PathUnescape(c.Params("id"))
		if err != nil || len(user) > 128 {
			return fiber.ErrBadRequest
		}
		document, err := do(c, user)
		if err != nil {
			return err
		}
		c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
		return c.Send(document)
	}
}
