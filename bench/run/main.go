// Command run measures Outset beside its peers. It builds and starts all of them on one Postgres
// server, lets them take turns, and writes the results in Go's benchmark format
// (golang.org/design/14313-benchmark-format), for benchstat. `make bench` runs all of it.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

// options are the command line.
type options struct {
	Experiments []string      `default:"${all}" enum:"${all}" help:"What to measure."`
	Sides       []spec        `default:"outset,direct,hono,static" help:"What to compare; see above."`
	Base        string        `default:"direct" help:"Side that percentages refer to."`
	Connections []int         `default:"1,64,256" help:"Connections of the load generator."`
	Users       int           `default:"200000" help:"Users in the tables."`
	Sizes       []int         `default:"1000,100000,10000000" help:"Users in the tables (users)."`
	Workers     int           `default:"1" help:"Worker processes."`
	Scale       []int         `default:"1,2,4,8,16" help:"Worker processes (workers)."`
	PerWorker   int           `default:"4" help:"Connections for each worker (workers)."`
	Cores       float64       `default:"0.1" help:"Processors of the workers and Postgres (overload)."`
	Excess      float64       `default:"10" help:"What is asked for, by what can be done (overload)."`
	Wait        time.Duration `default:"5ms" help:"Delay of each database round trip (workers)."`
	Rounds      int           `default:"6" help:"How often everything is measured."`
	Duration    time.Duration `default:"4s" help:"Of each measurement, in whole seconds."`
	Warmup      time.Duration `default:"1s" help:"Before each measurement; 0s: a side's first only."`
	Data        string        `help:"Folder of the database (default: a new one in TMPDIR)."`
	Results     string        `default:"bench/results" help:"Folder of the results."`
	Name        string        `default:"${now}" help:"Name of the results' file, without .txt."`
	Hono        string        `help:"Folder of the Hono peer. Without it, hono is left out."`
}

const description = `Measure Outset beside its peers.

Each side is outset, direct, hono or static, with these additions: outset:N has N workers, direct:N
a pool of N connections, outset@DIR runs the programs of another build, outset+NAME=VALUE sets an
environment variable, and with outset+AUTH=required each request has its user's JWT.

The results are lines of Go's benchmark format, one for each side, load and round. A unit that
begins with % is the percentage of what the side --base did in the same round (%req/s, %p50, …).
benchstat compares the sides:

    go tool benchstat -col /side -filter '.unit:(req/s OR /^%/)' FILE
    go tool benchstat -col '/side@(outset@before outset)' FILE  # in this order
    go tool benchstat -col /workers -filter .name:/Far/ FILE    # req/s/worker
    go tool benchstat -col /users -filter .name:/Users/ FILE

It wants 6 rounds or more to call a difference significant.`

func parse(args []string) (o options, err error) {
	parser, err := kong.New(&o, kong.Name("run"), kong.Description(description), kong.Vars{
		"all": strings.Join(experimentNames(), ","),
		"now": time.Now().UTC().Format("2006-01-02-1504"),
	})
	if err != nil {
		return o, err
	}
	_, err = parser.Parse(args)
	return o, err
}

// Validate is called by kong.
func (o *options) Validate() error {
	numbers := append([]int{o.Users, o.Workers, o.PerWorker, o.Rounds}, o.Connections...)
	for _, n := range append(append(numbers, o.Sizes...), o.Scale...) {
		if n < 1 {
			return fmt.Errorf("%d is not a positive number", n)
		}
	}
	if o.Duration < time.Second {
		return errors.New("the duration must be at least 1s")
	}
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	o, err := parse(os.Args[1:])
	if err != nil {
		return err
	}
	// SIGPIPE, too: whoever reads the results may end first, and the programs must not go on.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM,
		syscall.SIGPIPE)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal kills
	l, err := newLab(ctx, o, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return err
	}
	defer l.close()
	if err := l.measure(ctx); err != nil {
		return err
	}
	return l.summarize(ctx)
}
