// Command helper has the servers that the measurements need besides Outset and its peers. Each runs
// in a process of its own, so that its CPU time can be told from the rest:
//
//	helper nats    NATS with the settings of deploy/nats.conf
//	helper static  HTTP with one constant answer: what HTTP alone costs
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/outset-settings/outset/bench/load"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "helper:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	servers := map[string]func(context.Context, *flag.FlagSet, []string) error{
		"nats": runNATS, "static": runStatic,
	}
	if len(args) == 0 || servers[args[0]] == nil {
		return errors.New("usage: helper nats|static [flags]")
	}
	return servers[args[0]](ctx, flag.NewFlagSet(args[0], flag.ContinueOnError), args[1:])
}

func runNATS(ctx context.Context, flags *flag.FlagSet, args []string) error {
	port := flags.Int("port", 4222, "port for clients, on 127.0.0.1")
	monitor := flags.Int("monitor", 8222, "port for monitoring (/connz), on 127.0.0.1")
	if err := flags.Parse(args); err != nil {
		return err
	}
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: *port, HTTPHost: "127.0.0.1", HTTPPort: *monitor, NoSigs: true,
		PingInterval: 5 * time.Second, MaxPingsOut: 2,
	})
	if err != nil {
		return err
	}
	s.Start()
	<-ctx.Done()
	s.Shutdown()
	s.WaitForShutdown()
	return nil
}

func runStatic(ctx context.Context, flags *flag.FlagSet, args []string) error {
	addr := flags.String("http", "127.0.0.1:8080", "address to listen on")
	if err := flags.Parse(args); err != nil {
		return err
	}
	app := fiber.New(fiber.Config{DisableStartupMessage: true, ReadBufferSize: 8 << 10})
	document := load.Document(0)
	app.All("/user/:id/settings", func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
		return c.Send(document)
	})
	context.AfterFunc(ctx, func() { _ = app.ShutdownWithTimeout(5 * time.Second) })
	return app.Listen(*addr)
}
