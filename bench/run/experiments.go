package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/outset-settings/outset/bench/delay"
	"github.com/outset-settings/outset/bench/load"
)

// job is a measurement that all sides make in each round.
type job struct {
	operation   operation
	variant     string // what differs from the plain loop, for the benchmark's name
	draw        load.Draw
	connections int
	open        bool   // at 70 % of the rate that direct has just reached
	kinds       string // of the only sides that make it, separated by spaces; empty: all
}

// experiments are what can be measured, in order. Those with a plan share their sides, and make
// each job once, however many of them plan it.
var experiments = []struct {
	name string
	plan func(*lab) []job
	run  func(context.Context, *lab) error
}{
	{name: "reads", plan: func(l *lab) []job { return l.jobs(job{operation: read}) }},
	{name: "writes", plan: func(l *lab) []job { return l.jobs(job{operation: write}) }},
	{name: "patches", plan: func(l *lab) []job { return l.jobs(job{operation: patch}) }},
	{name: "zipf", plan: func(l *lab) []job {
		return readAndWrite(job{variant: "Zipf", draw: load.Zipf, connections: l.most(), kinds: ours})
	}},
	{name: "cpu", plan: func(l *lab) []job {
		return readAndWrite(job{connections: l.most(), kinds: ours})
	}},
	{name: "openloop", plan: func(l *lab) []job {
		return readAndWrite(job{variant: "Open", connections: l.most(), open: true, kinds: ours})
	}},
	{name: "firstsaves", run: saveFirst},
	{name: "workers", run: scaleWorkers},
	{name: "users", run: scaleUsers},
	{name: "overload", run: overload},
}

// ours are the kinds of sides that some experiments are limited to.
const ours = "outset direct"

func experimentNames() (names []string) {
	for _, e := range experiments {
		names = append(names, e.name)
	}
	return names
}

func (l *lab) most() int { return slices.Max(l.Connections) }

// jobs returns a job with each number of connections.
func (l *lab) jobs(j job) (all []job) {
	for _, j.connections = range l.Connections {
		all = append(all, j)
	}
	return all
}

func readAndWrite(j job) []job {
	r, w := j, j
	r.operation, w.operation = read, write
	return []job{r, w}
}

// planned returns the jobs of the chosen experiments.
func (l *lab) planned() (all []job) {
	for _, e := range experiments {
		if e.plan == nil || !slices.Contains(l.Experiments, e.name) {
			continue
		}
		for _, j := range e.plan(l) {
			forAll := j
			forAll.kinds = ""
			if !slices.Contains(all, forAll) && !slices.Contains(all, j) {
				all = append(all, j)
			}
		}
	}
	return all
}

// measure makes the chosen experiments.
func (l *lab) measure(ctx context.Context) error {
	if jobs := l.planned(); len(jobs) > 0 {
		if err := l.compare(ctx, jobs); err != nil {
			return err
		}
	}
	for _, e := range experiments {
		if e.run == nil || !slices.Contains(l.Experiments, e.name) {
			continue
		}
		if err := e.run(ctx, l); err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
	}
	return nil
}

// compare starts the sides that make any of the jobs, and lets them take turns at each job in each
// round.
func (l *lab) compare(ctx context.Context, jobs []job) (err error) {
	var sides []*side
	defer func() {
		for _, s := range sides {
			s.stop()
		}
	}()
	for _, what := range l.Sides {
		if !slices.ContainsFunc(jobs, func(j job) bool { return j.wants(what.kind) }) {
			continue
		}
		if missing := l.honoMissing(); what.kind == "hono" && missing != "" {
			l.log.Info("hono is left out", "why", missing)
			continue
		}
		s, err := l.start(ctx, what)
		if err != nil {
			return err
		}
		sides = append(sides, s)
	}
	for round := range l.Rounds {
		for _, j := range jobs {
			if err := l.takeTurns(ctx, sides, j, round); err != nil {
				return err
			}
		}
	}
	return nil
}

func (j job) wants(kind string) bool {
	return j.kinds == "" || slices.Contains(strings.Fields(j.kinds), kind)
}

// takeTurns has each side make a job once. Every second round has the opposite order.
func (l *lab) takeTurns(ctx context.Context, sides []*side, j job, round int) error {
	turns := slices.Clone(sides)
	if round%2 == 1 {
		slices.Reverse(turns)
	}
	rate := 0.0
	if j.open {
		i := slices.IndexFunc(sides, func(s *side) bool { return s.kind == "direct" })
		if i < 0 {
			return errors.New("the open loop needs the side direct")
		}
		top, err := l.workload(sides[i], j, round).Wrk(ctx, sides[i].base, j.connections, l.Duration)
		if err != nil {
			return err
		}
		rate = 0.7 * top.PerSecond()
	}
	var results []result
	for _, s := range turns {
		if !j.wants(s.kind) || s.method(j.operation) == "" {
			continue
		}
		r, err := l.measureSide(ctx, s, j, round, rate)
		if err != nil {
			return err
		}
		r.name = fmt.Sprintf("%s%s/conns=%d", j.operation, j.variant, j.connections)
		if j.variant == "Users" {
			r.name = fmt.Sprintf("%s%s/users=%d", j.operation, j.variant, l.Users)
		}
		results = append(results, r)
	}
	return l.write(results)
}

// onOwnDatabases compares with a number of users in databases that are dropped afterwards.
func (l *lab) onOwnDatabases(ctx context.Context, users int, jobs []job) error {
	own := *l
	own.Users = users
	l.dropDatabases(ctx)
	defer l.dropDatabases(context.WithoutCancel(ctx))
	return own.compare(ctx, jobs)
}

// saveFirst saves documents of users who have none, beside those in the tables.
func saveFirst(ctx context.Context, l *lab) error {
	j := job{operation: firstSave, draw: load.Next, kinds: ours + " hono"}
	return l.onOwnDatabases(ctx, l.Users, l.jobs(j))
}

// scaleUsers measures with tables of several sizes.
func scaleUsers(ctx context.Context, l *lab) error {
	for _, n := range l.Sizes {
		jobs := readAndWrite(job{variant: "Users", connections: 16, kinds: ours})
		if err := l.onOwnDatabases(ctx, n, jobs); err != nil {
			return err
		}
	}
	return nil
}

// scaleWorkers measures Outset with several numbers of workers on a database that is far away. The
// connections grow with the workers. With a fixed number of them, one worker's batches hide the
// delay as well as those of sixteen. There are few of them, so that the processors are not the
// limit.
func scaleWorkers(ctx context.Context, l *lab) error {
	what := spec{name: "outset", kind: "outset"}
	near, err := l.start(ctx, what) // creates the database
	if err != nil {
		return err
	}
	near.stop()
	far, stop, err := l.farAway(ctx, near.database)
	if err != nil {
		return err
	}
	defer stop()
	for round := range l.Rounds {
		for _, what.number = range l.Scale {
			if err := l.withWorkers(ctx, what, far, round); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *lab) withWorkers(ctx context.Context, what spec, database string, round int) error {
	s, err := l.startOutset(ctx, what, database)
	if err != nil {
		return err
	}
	defer s.stop()
	for _, j := range readAndWrite(job{connections: l.PerWorker * what.number}) {
		r, err := l.measureSide(ctx, s, j, round, 0)
		if err != nil {
			return err
		}
		r.name = fmt.Sprintf("%sFar/workers=%d", j.operation, what.number)
		r.add("req/s/worker", r.values[0].amount/float64(what.number))
		if err := l.write([]result{r}); err != nil {
			return err
		}
	}
	return nil
}

// farAway returns the URL of the same database behind a slow network.
func (l *lab) farAway(ctx context.Context, database string) (far string, stop func(), err error) {
	config, err := pgx.ParseConfig(database)
	if err != nil {
		return "", nil, err
	}
	dir, err := os.MkdirTemp("", "outset-far-")
	if err != nil {
		return "", nil, err
	}
	const socket = ".s.PGSQL.5432"
	listener, listenErr := net.Listen("unix", filepath.Join(dir, socket))
	u, parseErr := url.Parse(database)
	if err := cmp.Or(listenErr, parseErr); err != nil {
		return "", nil, err
	}
	query := u.Query()
	query.Set("host", dir)
	u.RawQuery = query.Encode()
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		done <- delay.Serve(ctx, listener, "unix", filepath.Join(config.Host, socket), l.Wait)
	}()
	return u.String(), func() {
		cancel()
		if err := <-done; err != nil {
			l.log.Error("the slow network", "error", err)
		}
		_ = os.RemoveAll(dir)
	}, nil
}
