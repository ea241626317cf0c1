// Command static answers every request with the same document: what HTTP alone costs.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/outset-settings/outset/bench/load"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "static:", err)
		os.Exit(1)
	}
}

func run() error {
	flags := flag.NewFlagSet("static", flag.ContinueOnError)
	addr := flags.String("http", "127.0.0.1:8080", "address to listen on")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	app := fiber.New(fiber.Config{DisableStartupMessage: true, ReadBufferSize: 8 << 10})
	document := load.Document(0)
	app.All("/user/:id/settings", func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
		return c.Send(document)
	})
	context.AfterFunc(ctx, func() { _ = app.ShutdownWithTimeout(5 * time.Second) })
	return app.Listen(*addr)
}
