package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/outset-settings/outset/bench/report"
)

// experiments are what can be measured, in order. Those that plan closed loops come first; the
// loops are then made together, each once however many experiments want it.
var experiments = []struct {
	name string
	plan func(*lab)
	run  func(context.Context, *lab) error
}{
	{name: "reads", plan: func(l *lab) { l.plan(job{operation: read}, l.connections...) }},
	{name: "writes", plan: func(l *lab) { l.plan(job{operation: replace}, l.connections...) }},
	{name: "patches", plan: func(l *lab) { l.plan(job{operation: patch}, l.connections...) }},
	{name: "zipf", plan: planZipf},
	{name: "batch", plan: planBatch},
	{name: "cpu", plan: planCPU},
	{name: "openloop", run: openLoops},
	{name: "workers", run: scaleWorkers},
	{name: "users", run: scaleUsers},
}

// measure does the experiments that were asked for.
func (l *lab) measure(ctx context.Context) error {
	for _, e := range experiments {
		if e.plan != nil && slices.Contains(l.experiments, e.name) {
			e.plan(l)
		}
	}
	if err := l.measurePlanned(ctx); err != nil {
		return err
	}
	for _, e := range experiments {
		if e.run == nil || !slices.Contains(l.experiments, e.name) {
			continue
		}
		if err := e.run(ctx, l); err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
	}
	return nil
}

// plan plans a closed loop with each number of connections, unless it is planned already.
func (l *lab) plan(j job, connections ...int) {
	j.kind, j.users = report.Closed, l.users
	for _, j.connections = range connections {
		if !slices.ContainsFunc(l.planned, func(p job) bool {
			return p.label() == j.label() && p.connections == j.connections &&
				(p.only == "" || p.only == j.only)
		}) {
			l.planned = append(l.planned, j)
		}
	}
}

func (l *lab) most() int { return slices.Max(l.connections) }

func planZipf(l *lab) {
	for _, operation := range []string{read, replace} {
		l.plan(job{operation: operation, zipf: true, only: "outset direct"}, l.most())
	}
}

// planBatch fills up the numbers of connections, for the sizes of batches against load.
func planBatch(l *lab) {
	for n := 1; n <= l.most(); n *= 4 {
		for _, operation := range []string{read, replace} {
			l.plan(job{operation: operation, only: "outset"}, n)
		}
	}
}

// planCPU has what the split of CPU time is taken from.
func planCPU(l *lab) {
	for _, operation := range []string{read, replace} {
		l.plan(job{operation: operation, only: "outset direct"}, l.most())
	}
}

// measurePlanned makes the closed loops. In each round every side has its turn at each of them.
func (l *lab) measurePlanned(ctx context.Context) error {
	if len(l.planned) == 0 {
		return nil
	}
	sides, stop, err := l.startSides(ctx, l.sides...)
	if err != nil {
		return err
	}
	defer stop()
	for round := range l.rounds {
		for _, j := range l.planned {
			for _, s := range turns(sides, round) {
				if !j.wants(s) {
					continue
				}
				if err := l.closedLoop(ctx, s, j, round); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// turns are the sides in an order that is the other way round in every second round.
func turns(sides []*side, round int) []*side {
	sides = slices.Clone(sides)
	if round%2 == 1 {
		slices.Reverse(sides)
	}
	return sides
}

// startSides starts those that can take part.
func (l *lab) startSides(
	ctx context.Context, names ...string,
) (sides []*side, stop func(), err error) {
	stop = func() {
		for _, s := range sides {
			s.stop()
		}
	}
	for _, name := range names {
		if missing := l.honoMissing(); name == "hono" && missing != "" {
			l.note("Hono is left out: " + missing + ".")
			continue
		}
		s, err := l.start(ctx, name)
		if err != nil {
			stop()
			return nil, nil, err
		}
		sides = append(sides, s)
	}
	return sides, stop, nil
}

// openLoops asks direct and Outset at 70 % of what direct has just been able to do.
func openLoops(ctx context.Context, l *lab) error {
	const share = 0.7
	sides, stop, err := l.startSides(ctx, "direct", "outset")
	if err != nil {
		return err
	}
	defer stop()
	for round := range l.rounds {
		for _, operation := range []string{read, replace} {
			j := job{kind: report.Open, operation: operation, connections: l.most(), users: l.users}
			top, err := j.workload(sides[0], round).Wrk(ctx, sides[0].base, j.connections,
				l.duration)
			if err != nil {
				return err
			}
			for _, s := range turns(sides, round) {
				if err := l.openLoop(ctx, s, j, round, share*top.PerSecond()); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// scaleUsers looks at direct and Outset with tables of several sizes.
func scaleUsers(ctx context.Context, l *lab) error {
	const connections = 16
	for _, n := range l.sizes {
		if err := l.withUsers(ctx, n, func(s *side, round int) error {
			for _, operation := range []string{read, replace} {
				j := job{
					kind: report.Users, operation: operation, connections: connections, users: n,
				}
				if err := l.closedLoop(ctx, s, j, round); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// withUsers lets direct and Outset take turns on databases of their own, which are dropped
// afterwards.
func (l *lab) withUsers(
	ctx context.Context, users int, measure func(s *side, round int) error,
) error {
	own := *l
	own.users = users
	sides, stop, err := own.startSides(ctx, "direct", "outset")
	if err != nil {
		return err
	}
	defer func() {
		stop()
		for _, s := range sides {
			if users != l.users {
				// ten million take gigabytes
				l.drop(context.WithoutCancel(ctx), databaseName(s.database))
			}
		}
	}()
	for round := range l.rounds {
		for _, s := range turns(sides, round) {
			if err := measure(s, round); err != nil {
				return err
			}
		}
	}
	return nil
}
