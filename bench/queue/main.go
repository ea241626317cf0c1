// Command queue is the NATS server of the measurements, in a process of its own so that what it
// uses can be told from the rest. Its settings are those of deploy/nats.conf.
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

	"github.com/nats-io/nats-server/v2/server"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "queue:", err)
		os.Exit(1)
	}
}

func run() error {
	flags := flag.NewFlagSet("queue", flag.ContinueOnError)
	port := flags.Int("port", 4222, "port of clients, on 127.0.0.1")
	monitor := flags.Int("monitor", 8222, "port of its figures (/connz), on 127.0.0.1")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: *port, HTTPHost: "127.0.0.1", HTTPPort: *monitor, NoSigs: true,
		PingInterval: 5 * time.Second, MaxPingsOut: 2,
	})
	if err != nil {
		return err
	}
	s.Start()
	if !s.ReadyForConnections(5 * time.Second) {
		return errors.New("it does not start")
	}
	<-ctx.Done()
	s.Shutdown()
	s.WaitForShutdown()
	return nil
}
