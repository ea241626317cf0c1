package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/outset-settings/outset/bench/load"
	"github.com/outset-settings/outset/bench/process"
)

const (
	// overloadConnections is how many requests of an overload may be under way. One that is
	// refused after 50 ms frees its connection for twenty others in a second.
	overloadConnections = 2048
	// steadyConnections reach what a limited system can do.
	steadyConnections = 512
)

// overload asks each side that is an Outset for more than its workers and its Postgres can do, in
// an open loop, and measures what is done meanwhile and right afterwards. They have a part of a
// processor, so that there is enough left for the API and the load generator.
func overload(ctx context.Context, l *lab) error {
	for _, what := range l.Sides {
		if what.kind != "outset" {
			continue
		}
		s, err := l.start(ctx, what)
		if err != nil {
			return err
		}
		err = l.overloadSide(ctx, s)
		s.stop()
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) overloadSide(ctx context.Context, s *side) (err error) {
	limited := []process.Part{{Name: "postgres", PID: l.postgres.PID()}}
	for _, p := range s.parts {
		if p.Name == "worker" {
			limited = append(limited, p)
		}
	}
	undo, err := process.Limit(limited, l.Cores)
	if err != nil {
		return fmt.Errorf("limiting workers and Postgres: %w", err)
	}
	defer func() { err = errors.Join(err, undo()) }()
	for round := range l.Rounds {
		for _, j := range readAndWrite(job{connections: steadyConnections}) {
			if err := l.overloadOnce(ctx, s, j, round); err != nil {
				return err
			}
		}
	}
	return nil
}

// overloadOnce measures the peak, the overload, and the first seconds after it.
func (l *lab) overloadOnce(ctx context.Context, s *side, j job, round int) error {
	w := l.workload(s, j, round)
	addr := strings.TrimPrefix(s.base, "http://")
	var peak load.Closed
	var err error
	for range 2 { // the first is a warm-up
		if peak, err = w.Wrk(ctx, s.base, j.connections, l.Duration); err != nil {
			return err
		}
	}
	normal := load.Pace{
		Rate: peak.PerSecond() / 2, Connections: overloadConnections, Duration: l.Duration,
		Refusals: true,
	}
	before, err := w.Open(ctx, addr, normal)
	if err != nil {
		return err
	}
	flood := normal
	flood.Rate = l.Excess * peak.PerSecond()
	during, err := w.Open(ctx, addr, flood)
	if err != nil {
		return err
	}
	used, err := l.usage(ctx, s)
	if err != nil {
		return err
	}
	normal.Warmup = time.Second // in which it may still be busy
	after, err := w.Open(ctx, addr, normal)
	if err != nil {
		return err
	}
	r := result{
		side: s.label(), name: fmt.Sprintf("%sOverload/excess=%g", j.operation, l.Excess),
		requests: int64(flood.Rate * flood.Duration.Seconds()),
	}
	done := float64(during.Requests) / during.Elapsed.Seconds()
	r.add("peak-req/s", peak.PerSecond())
	r.add("req/s", done)
	r.add("%peak", 100*done/peak.PerSecond())
	r.addLatency("", during.Latency)
	r.add("refused/s", float64(during.Refused)/during.Elapsed.Seconds())
	r.add("seconds", during.Elapsed.Seconds())
	r.addLatency("refusal-", during.RefusalLatency)
	r.add("unknown", float64(during.Unknown))
	r.addLatency("generator-late-", during.Late)
	for _, name := range []string{"api", "worker"} {
		r.add("rss-"+name+"-B", float64(used.of[name].RSS))
	}
	r.addLatency("before-", before.Latency)
	r.addLatency("after-", after.Latency)
	r.add("after-refused", float64(after.Refused))
	if wrong := slices.Max([]int64{before.Refused, before.Unknown, after.Unknown}); wrong > 0 {
		r.err = fmt.Errorf("at half of the peak: before %+v, after %+v", before, after)
	}
	return l.write([]result{r})
}
