// Command openloop asks at a fixed rate and prints what it came to as JSON. It is a program of its
// own so that what it uses can be told from the rest.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/outset-settings/outset/bench/load"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "openloop:", err)
		os.Exit(1)
	}
}

func run() error {
	flags := flag.NewFlagSet("openloop", flag.ContinueOnError)
	var (
		w load.Workload
		p load.Pace
	)
	addr := flags.String("addr", "127.0.0.1:8080", "host and port of the side")
	flags.StringVar(&w.Method, "method", "GET", "GET, PUT, POST or PATCH")
	flags.IntVar(&w.Users, "users", 200_000, "users to draw from")
	flags.Uint64Var(&w.Seed, "seed", 1, "of the draws")
	flags.Float64Var(&p.Rate, "rate", 1000, "requests per second")
	flags.IntVar(&p.Connections, "connections", 256, "connections")
	flags.DurationVar(&p.Warmup, "warmup", time.Second, "time before counting")
	flags.DurationVar(&p.Duration, "duration", 8*time.Second, "time of counting")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	o, err := w.Open(ctx, *addr, p)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(o)
}
