package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/outset-settings/outset/bench/load"
	"github.com/outset-settings/outset/bench/process"
	"github.com/outset-settings/outset/bench/report"
)

// job is one run that is to be made of a side.
type job struct {
	kind        report.Kind
	operation   string
	zipf        bool
	connections int
	users       int
	// The only sides of interest, separated by spaces; empty: all.
	only string
}

// wants tells whether the side is of interest and can do it.
func (j job) wants(s *side) bool {
	return s.methods[j.operation] != "" && (j.only == "" ||
		slices.Contains(strings.Fields(j.only), s.kind))
}

// label is what the report calls the operation.
func (j job) label() string {
	if j.zipf {
		return j.operation + ", Zipf"
	}
	return j.operation
}

func (j job) workload(s *side, round int) load.Workload {
	return load.Workload{
		Method: s.methods[j.operation], Users: j.users, Zipf: j.zipf,
		Seed: uint64(round)*1000 + uint64(j.connections),
	}
}

func (j job) newRun(s *side, round int) report.Run {
	return report.Run{
		Kind: j.kind, Side: s.name, Operation: j.label(), Connections: j.connections,
		Workers: s.workers, Users: j.users, Round: round,
	}
}

// closedLoop measures a side and adds the run to the report. An error is of the lab; what the side
// did wrong is in the run.
func (l *lab) closedLoop(ctx context.Context, s *side, j job, round int) error {
	run, w := j.newRun(s, round), j.workload(s, round)
	wrong := l.prepare(ctx, s, j, w)
	answer, err := answerSize(ctx, s, w)
	wrong = errors.Join(wrong, err)
	began, err := l.usage(ctx, s)
	if err != nil {
		return err
	}
	var counter transactions
	if s.monitor != "" {
		counter = l.countTransactions(ctx, s.database)
	}
	c, err := w.Wrk(ctx, s.base, j.connections, l.duration)
	perSecond := 0.0
	if s.monitor != "" {
		perSecond = counter.perSecond()
	}
	if err != nil {
		return err
	}
	ended, err := l.usage(ctx, s)
	if err != nil {
		return err
	}
	wrong = errors.Join(wrong, c.Check(answer), sample(ctx, s, w))
	run.Throughput = c.PerSecond()
	run.P50, run.P99, run.P999 = c.Latency.P50/1e3, c.Latency.P99/1e3, c.Latency.P999/1e3
	began.fill(&run, ended, c.CPU, float64(c.Requests))
	if s.monitor != "" && perSecond > 0 {
		run.Batch = run.Throughput / perSecond
	}
	l.add(run, wrong)
	return ctx.Err()
}

// prepare has Postgres write what others have left behind, and warms a side up. After a checkpoint
// the first change of each page is logged whole; the warm-up takes the worst of that, so without
// one there is no checkpoint either.
func (l *lab) prepare(ctx context.Context, s *side, j job, w load.Workload) error {
	warmup, key := l.warmup, s.name+" "+j.operation
	if warmup == 0 && !l.warm[key] {
		warmup = time.Second
	}
	l.warm[key] = true
	if warmup == 0 {
		return nil
	}
	if s.database != "" && j.operation != read {
		if err := execute(ctx, s.database, "checkpoint"); err != nil {
			return err
		}
	}
	w.Seed++
	_, err := w.Wrk(ctx, s.base, j.connections, warmup)
	return err
}

// add adds a run to the report, and says it.
func (l *lab) add(run report.Run, wrong error) {
	if wrong != nil {
		run.Invalid = wrong.Error()
	}
	l.report.Runs = append(l.report.Runs, run)
	l.log.Info("measured", "side", run.Side, "operation", run.Operation, "connections",
		run.Connections, "users", run.Users,
		"workers", run.Workers, "round", run.Round+1, "throughput", int(run.Throughput), "p50",
		run.P50, "p99", run.P99, "invalid", run.Invalid)
}

// usage is what a side and its servers have used until now.
type usage struct {
	parts    []process.Part
	of       map[string]process.Usage
	requests int64 // of the API to the workers
}

func (l *lab) usage(ctx context.Context, s *side) (u usage, err error) {
	u.parts = s.parts
	if s.database != "" {
		u.parts = append([]process.Part{l.postgresPart()}, s.parts...)
	}
	if u.of, err = process.Measure(u.parts); err == nil && s.monitor != "" {
		u.requests, err = s.requests(ctx)
	}
	return u, err
}

// fill says in a run what was used between u and a later usage.
func (u usage) fill(run *report.Run, later usage, generator time.Duration, requests float64) {
	if requests == 0 {
		return
	}
	run.CPU = map[string]float64{"load generator": float64(generator.Microseconds()) / requests}
	run.RSS = make(map[string]float64)
	processes := make(map[string]int)
	for _, p := range u.parts {
		processes[p.Name]++
	}
	for name, is := range later.of {
		run.CPU[name] = float64((is.CPU - u.of[name].CPU).Microseconds()) / requests
		if name != "postgres" {
			run.RSS[name] = float64(is.RSS) / float64(processes[name]) / (1 << 20)
		}
	}
	if n := later.requests - u.requests; n > 0 {
		run.Message = requests / float64(n)
	}
}

// answerSize asks once, checks the answer, and returns its size with the headers.
func answerSize(ctx context.Context, s *side, w load.Workload) (int, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", strings.TrimPrefix(s.base, "http://"))
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	r, err := newRequest(ctx, s, w, w.Users/2)
	if err != nil {
		return 0, err
	}
	if err := r.Write(conn); err != nil {
		return 0, err
	}
	read := &counter{r: conn}
	answer, err := http.ReadResponse(bufio.NewReader(read), r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	return read.n, checkAnswer(answer, w)
}

// counter counts what is read.
type counter struct {
	r io.Reader
	n int
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += n
	return n, err
}

// sample asks about some users and checks each answer.
func sample(ctx context.Context, s *side, w load.Workload) error {
	w.Method = http.MethodGet
	for range 50 {
		if err := sampleOne(ctx, s, w); err != nil {
			return err
		}
	}
	return nil
}

func sampleOne(ctx context.Context, s *side, w load.Workload) error {
	r, err := newRequest(ctx, s, w, rand.IntN(w.Users))
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	return checkAnswer(answer, w)
}

func newRequest(ctx context.Context, s *side, w load.Workload, user int) (*http.Request, error) {
	var body io.Reader
	if text, mediaType := w.Body(user); mediaType != "" {
		body = strings.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, w.Method, s.base+load.Path(user), body)
	if err == nil && body != nil {
		_, mediaType := w.Body(user)
		r.Header.Set("Content-Type", mediaType)
	}
	return r, err
}

func checkAnswer(answer *http.Response, w load.Workload) error {
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode/100 != 2 || len(body) != w.AnswerBytes() || !json.Valid(body) {
		return fmt.Errorf("the answer to %s is %s with %d bytes: %.100s", w.Method, answer.Status,
			len(body), body)
	}
	return nil
}

// openLoop measures a side at a fixed rate.
func (l *lab) openLoop(ctx context.Context, s *side, j job, round int, rate float64) error {
	run, w := j.newRun(s, round), j.workload(s, round)
	wrong := l.prepare(ctx, s, j, w)
	began, err := l.usage(ctx, s)
	if err != nil {
		return err
	}
	warmup := min(time.Second, l.duration/4)
	cmd := exec.CommandContext(ctx, l.program("openloop"), "-addr",
		strings.TrimPrefix(s.base, "http://"),
		"-method", w.Method, "-users", strconv.Itoa(w.Users), "-seed",
		strconv.FormatUint(w.Seed, 10),
		"-rate", strconv.FormatFloat(rate, 'f', 0, 64), "-connections", strconv.Itoa(j.connections),
		"-warmup", warmup.String(), "-duration", l.duration.String())
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var o load.Open
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		wrong = errors.Join(wrong, errors.New(strings.TrimSpace(string(exit.Stderr))))
	} else if err := errors.Join(err, json.Unmarshal(out, &o)); err != nil {
		return err
	}
	ended, err := l.usage(ctx, s)
	if err != nil {
		return err
	}
	run.Rate, run.Throughput = rate, float64(o.Requests)/l.duration.Seconds()
	run.P50, run.P99, run.P999, run.Late = o.Latency.P50/1e3, o.Latency.P99/1e3, o.Latency.P999/1e3,
		o.Late.P99/1e3
	began.fill(&run, ended, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime(),
		rate*(l.duration+warmup).Seconds())
	l.add(run, errors.Join(wrong, sample(ctx, s, w)))
	return nil
}
