package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httputil"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/outset-settings/outset/bench/load"
	"github.com/outset-settings/outset/bench/process"
)

// idsPerRun is more than first saves can use up in one run. Ids have eight digits.
const idsPerRun = 300_000

func (l *lab) workload(s *side, j job, round int) load.Workload {
	w := load.Workload{
		Method: s.method(j.operation), Users: l.Users, Draw: j.draw,
		Seed: uint64(round)*1000 + uint64(j.connections), Tokens: s.tokens,
	}
	if j.draw == load.Next {
		w.First = l.nextUser
		l.nextUser += idsPerRun
	}
	return w
}

// measureSide measures a side: at a rate, or in a closed loop if it is 0. What the side does wrong
// is in the result; an error ends all measurements.
func (l *lab) measureSide(
	ctx context.Context, s *side, j job, round int, rate float64,
) (r result, err error) {
	r.side = s.label()
	r.err = l.warmUp(ctx, s, j, round)
	w := l.workload(s, j, round)
	known := w.Users / 2
	if w.Draw == load.Next {
		known = w.First + idsPerRun - 1 // wrk doesn't get that far
	}
	size, err := ask(ctx, s, w, known)
	r.err = errors.Join(r.err, err)
	before, err := l.usage(ctx, s)
	if err != nil {
		return r, err
	}
	if rate > 0 {
		before.generator = l.openLoop(ctx, s, w, j, rate, &r)
	} else {
		before.generator, err = l.closedLoop(ctx, s, w, j, size, &r)
	}
	if err := errors.Join(err, ctx.Err()); err != nil {
		return r, err
	}
	after, err := l.usage(ctx, s)
	if err != nil {
		return r, err
	}
	before.addTo(&r, after)
	r.err = errors.Join(r.err, sample(ctx, s, w))
	return r, nil
}

// closedLoop adds the result of a closed loop, and returns wrk's CPU time.
func (l *lab) closedLoop(
	ctx context.Context, s *side, w load.Workload, j job, answer int, r *result,
) (time.Duration, error) {
	c, err := w.Wrk(ctx, s.base, j.connections, l.Duration)
	if err != nil {
		return 0, err
	}
	r.err = errors.Join(r.err, c.Check(answer))
	r.requests = c.Requests
	r.add("req/s", c.PerSecond())
	r.addLatency("", c.Latency)
	return c.CPU, nil
}

// openLoop adds the result of an open loop, and returns the CPU time of the generator. That runs in
// this process, which does nothing else meanwhile.
func (l *lab) openLoop(
	ctx context.Context, s *side, w load.Workload, j job, rate float64, r *result,
) time.Duration {
	pace := load.Pace{
		Rate: rate, Connections: j.connections, Warmup: min(time.Second, l.Duration/4),
		Duration: l.Duration,
	}
	before := ownCPU()
	o, err := w.Open(ctx, strings.TrimPrefix(s.base, "http://"), pace)
	r.err = errors.Join(r.err, err)
	r.requests = int64(rate * (pace.Warmup + pace.Duration).Seconds())
	r.add("req/s", float64(o.Requests)/l.Duration.Seconds())
	r.addLatency("", o.Latency)
	r.addLatency("generator-late-", o.Late)
	return ownCPU() - before
}

// ownCPU returns the CPU time of this process.
func ownCPU() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // cannot fail with these arguments
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// warmUp warms a side up, after Postgres has written what others have left behind. After a
// checkpoint the first change of each page is logged whole, and the warm-up takes the worst of
// that. So there is no checkpoint without a warm-up.
func (l *lab) warmUp(ctx context.Context, s *side, j job, round int) error {
	duration, key := l.Warmup, s.base+string(j.operation)
	if duration == 0 && !l.warm[key] {
		duration = time.Second
	}
	l.warm[key] = true
	if duration == 0 {
		return nil
	}
	if s.database != "" && j.operation != read {
		if err := execute(ctx, s.database, "checkpoint"); err != nil {
			return err
		}
	}
	w := l.workload(s, j, round)
	w.Seed++
	_, err := w.Wrk(ctx, s.base, j.connections, duration)
	return err
}

// usage is what a side and its servers have used until now.
type usage struct {
	parts     []process.Part
	of        map[string]process.Usage // by the name of the part
	messages  int64                    // from the API to the workers
	generator time.Duration            // CPU time of the load generator
}

func (l *lab) usage(ctx context.Context, s *side) (u usage, err error) {
	u.parts = s.parts
	if s.database != "" {
		server := process.Part{Name: "postgres", PID: l.postgres.PID()}
		u.parts = append([]process.Part{server}, s.parts...)
	}
	if u.of, err = process.Measure(u.parts); err == nil && s.monitor != "" {
		u.messages, err = s.messages(ctx)
	}
	return u, err
}

// addTo adds to a result what was used between u and a later usage: CPU time per request, the
// memory of each process in the end, and the requests in a NATS message. The memory of Postgres is
// left out, since its processes share most of it.
func (u usage) addTo(r *result, later usage) {
	processes := make(map[string]int)
	for _, p := range u.parts {
		processes[p.Name]++
	}
	perRequest := func(d time.Duration) float64 { return float64(d) / float64(r.requests) }
	all := u.generator
	r.add("cpu-generator-ns/op", perRequest(all))
	for _, name := range slices.Sorted(maps.Keys(later.of)) {
		used := later.of[name].CPU - u.of[name].CPU
		all += used
		r.add("cpu-"+name+"-ns/op", perRequest(used))
		if name != "postgres" {
			r.add("rss-"+name+"-B", float64(later.of[name].RSS)/float64(processes[name]))
		}
	}
	r.add("cpu-all-ns/op", perRequest(all))
	if n := later.messages - u.messages; n > 0 {
		r.add("req/message", float64(r.requests)/float64(n))
	}
}

// sample reads the settings of some users and checks each answer.
func sample(ctx context.Context, s *side, w load.Workload) error {
	w.Method = http.MethodGet
	for range 50 {
		user := rand.IntN(w.Users)
		if w.Draw == load.Next {
			user = w.First + 5 + rand.IntN(20) // among the first that wrk saved
		}
		if _, err := ask(ctx, s, w, user); err != nil {
			return err
		}
	}
	return nil
}

// ask makes one request, checks the answer, and returns its size with the headers.
func ask(ctx context.Context, s *side, w load.Workload, user int) (size int, err error) {
	text, mediaType := w.Body(user)
	r, err := http.NewRequestWithContext(ctx, w.Method, s.url(user), strings.NewReader(text))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Accept-Encoding", "identity") // as from wrk, which sends none
	if mediaType != "" {
		r.Header.Set("Content-Type", mediaType)
	}
	if user < len(s.tokens) {
		r.Header.Set("Authorization", "Bearer "+s.tokens[user])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	whole, err := httputil.DumpResponse(answer, true)
	if err != nil {
		return 0, err
	}
	_, body, _ := bytes.Cut(whole, []byte("\r\n\r\n"))
	if answer.StatusCode/100 != 2 || len(body) != w.AnswerBytes() || !json.Valid(body) {
		err = fmt.Errorf("wrong answer to %s: %s", w.Method, whole)
	}
	return len(whole), err
}
