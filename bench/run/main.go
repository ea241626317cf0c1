// Command run measures Outset beside its peers: it builds and starts all of them on one Postgres,
// lets them take turns, and writes tables and plots. `make bench` runs all of it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	experiments []string
	sides       []string
	connections []int
	users       int
	sizes       []int
	workers     int
	scale       []int
	perWorker   int
	wait        time.Duration
	rounds      int
	duration    time.Duration
	warmup      time.Duration
	data        string
	results     string
	name        string
	hono        string
}

func parse(args []string) (o options, err error) {
	f := flag.NewFlagSet("run", flag.ContinueOnError)
	var known []string
	for _, e := range experiments {
		known = append(known, e.name)
	}
	words := func(to *[]string, name, value, help string) {
		*to = strings.Split(value, ",")
		f.Func(name, help+" (default "+value+")", func(s string) error {
			*to = strings.Split(s, ",")
			return nil
		})
	}
	numbers := func(to *[]int, name, value, help string) {
		read := func(s string) error {
			*to = nil
			for word := range strings.SplitSeq(s, ",") {
				n, err := strconv.Atoi(word)
				if err != nil || n < 1 {
					return fmt.Errorf("%q is no positive number", word)
				}
				*to = append(*to, n)
			}
			return nil
		}
		_ = read(value)
		f.Func(name, help+" (default "+value+")", read)
	}
	words(&o.experiments, "experiments", strings.Join(known, ","), "what to measure")
	words(&o.sides, "sides", "outset,direct,hono,static",
		"who takes part; outset:N has N workers, outset@DIR programs of another build, outset+NAME=VALUE a variable, direct:N a pool of N; ratios need direct")
	numbers(&o.connections, "connections", "1,64,256", "of the load generator")
	f.IntVar(&o.users, "users", 200_000, "users in the tables")
	numbers(&o.sizes, "sizes", "1000,100000,10000000",
		"users in the tables, of the experiment users")
	f.IntVar(&o.workers, "workers", 1, "worker processes")
	numbers(&o.scale, "scale", "1,2,4,8,16", "worker processes, of the experiment workers")
	f.IntVar(&o.perWorker, "per-worker", 4, "connections for each worker, of the experiment workers")
	f.DurationVar(&o.wait, "wait", 5*time.Millisecond,
		"what a round trip to the database takes more, of the experiment workers")
	f.IntVar(&o.rounds, "rounds", 3, "how often everything is measured")
	f.DurationVar(&o.duration, "duration", 8*time.Second, "of one run, in whole seconds")
	f.DurationVar(&o.warmup, "warmup", 2*time.Second,
		"before each run, in whole seconds; 0: only before the first of a side")
	f.StringVar(&o.data, "data", "", "folder for the database, on the disk to measure (default: a new one in TMPDIR)")
	f.StringVar(&o.results, "results", "bench/results", "folder of the results")
	f.StringVar(&o.name, "name", time.Now().UTC().Format("2006-01-02-1504"),
		"of the results' files")
	f.StringVar(&o.hono, "hono", "../shared/peers/hono",
		"folder of the Hono peer, which is not part of this repository")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	for _, e := range o.experiments {
		if !slices.Contains(known, e) {
			return o, fmt.Errorf("no experiment %q; there are %s", e, strings.Join(known, ", "))
		}
	}
	for _, s := range o.sides {
		if _, err := parseSpec(s); err != nil {
			return o, err
		}
	}
	if o.rounds < 1 || o.duration < time.Second || o.users < 1 || o.workers < 1 || o.perWorker < 1 {
		return o, errors.New("rounds, users, workers and seconds must be at least 1")
	}
	return o, nil
}

func run() error {
	o, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal kills
	l, err := newLab(ctx, o, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return err
	}
	defer l.close()
	if l.report.Machine, l.report.Versions, err = l.describe(ctx); err != nil {
		return err
	}
	if err := l.measure(ctx); err != nil {
		return err
	}
	l.report.Took = time.Since(l.report.Began)
	if err := l.report.Write(o.results, o.name); err != nil {
		return err
	}
	fmt.Printf("%s/%s.md, after %v\n", o.results, o.name, l.report.Took.Round(time.Second))
	return nil
}
