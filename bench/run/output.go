package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/outset-settings/outset/bench/load"
)

// result is one measurement of one side: a line of the benchmark format.
type result struct {
	side     string
	name     string // of the benchmark, without the side
	requests int64
	values   []value
	err      error // an answer was wrong or missing, so the measurement does not count
}

type value struct {
	unit   string
	amount float64
}

func (r *result) add(unit string, amount float64) {
	r.values = append(r.values, value{unit, amount})
}

func (r *result) addLatency(prefix string, l load.Latency) {
	r.add(prefix+"p50-ns", l.P50*1e3)
	r.add(prefix+"p99-ns", l.P99*1e3)
	r.add(prefix+"p999-ns", l.P999*1e3)
}

// compared are the units of which a result also has the ratio to the base in the same round, in
// percent: %req/s for req/s. Machines get faster and slower by the hour, so the median of these
// ratios is steadier than the ratio of the medians.
var compared = []string{"req/s", "p50-ns", "p99-ns", "cpu-all-ns/op"}

// lines formats results that were measured in the same round.
func lines(results []result, base string) string {
	var b strings.Builder
	reference := make(map[string]float64)
	for _, r := range results {
		for _, v := range r.values {
			if r.side == base && r.err == nil {
				reference[v.unit] = v.amount
			}
		}
	}
	for _, r := range results {
		name, rest, _ := strings.Cut(r.name, "/")
		name += "/side=" + r.side + "/" + rest
		if r.err != nil {
			fmt.Fprintf(&b, "# %s does not count: %q\n", name, r.err)
			continue
		}
		fmt.Fprintf(&b, "Benchmark%s\t%d", name, r.requests)
		for _, v := range r.values {
			rounded := math.Round(v.amount*1000) / 1000
			fmt.Fprintf(&b, "\t%s %s", strconv.FormatFloat(rounded, 'f', -1, 64), v.unit)
		}
		for _, v := range r.values {
			if slices.Contains(compared, v.unit) && reference[v.unit] > 0 {
				unit := strings.Replace(v.unit, "-ns", "", 1)
				fmt.Fprintf(&b, "\t%.1f %%%s", 100*v.amount/reference[v.unit], unit)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// write adds results of the same round to the file.
func (l *lab) write(results []result) error {
	text := lines(results, spec{name: l.Base}.label())
	fmt.Fprint(os.Stderr, text)
	_, err := l.output.WriteString(text)
	return err
}

// summarize has benchstat print the throughput and latency of each side, and the ratios.
func (l *lab) summarize(ctx context.Context) error {
	column := fmt.Sprintf("/side@(%q", spec{name: l.Base}.label())
	for _, s := range l.Sides {
		if s.name != l.Base {
			column += fmt.Sprintf(" %q", s.label())
		}
	}
	cmd := exec.CommandContext(ctx, "go", "tool", "benchstat", "-col", column+")",
		"-filter", ".unit:(req/s OR p50-sec OR p99-sec OR /^%/)", l.output.Name())
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("benchstat: %w", err)
	}
	fmt.Println(l.output.Name())
	return nil
}

// open creates the file of the results. It begins with what was measured, and on which machine.
func (l *lab) open(ctx context.Context) (err error) {
	if err := os.MkdirAll(l.Results, 0o755); err != nil {
		return err
	}
	if l.output, err = os.Create(filepath.Join(l.Results, l.Name+".txt")); err != nil {
		return err
	}
	sync, err := syncTime(l.Data)
	if err != nil {
		return err
	}
	for _, pair := range [][2]string{
		{"goos", runtime.GOOS},
		{"goarch", runtime.GOARCH},
		{"cpu", printed(ctx, `model name\s*: (.*)`, "cat", "/proc/cpuinfo")},
		{"cores", fmt.Sprint(runtime.NumCPU())},
		{"memory", printed(ctx, `MemTotal:\s*(.*)`, "cat", "/proc/meminfo")},
		{"kernel", printed(ctx, `(.*)`, "cat", "/proc/sys/kernel/osrelease")},
		{"load", printed(ctx, `([^ ]*)`, "cat", "/proc/loadavg")},
		{"fsync", sync.Round(time.Microsecond).String()},
		{"date", time.Now().UTC().Format(time.RFC3339)},
		{"command", "go run ./bench/run " + strings.Join(os.Args[1:], " ")},
		{"commit", printed(ctx, `(.*)`, "git", "describe", "--always", "--dirty", "--exclude", "*")},
		{"go", runtime.Version()},
		{"postgres", l.postgresVersion(ctx)},
		{"wrk", printed(ctx, `wrk (\S*)`, "wrk", "-v")},
		{"node", printed(ctx, `(.*)`, "node", "--version")},
		{"base", l.Base},
		{"users", fmt.Sprint(l.Users)},
		{"workers", fmt.Sprint(l.Workers)},
		{"seconds", fmt.Sprint(l.Duration.Seconds())},
		{"wait", l.Wait.String()},
	} {
		if _, err := fmt.Fprintf(l.output, "%s: %s\n", pair[0], pair[1]); err != nil {
			return err
		}
	}
	return nil
}

// printed returns what the group of a pattern matches first in a program's output. wrk prints its
// version with an exit code of 1.
func printed(ctx context.Context, pattern, program string, args ...string) string {
	out, _ := exec.CommandContext(ctx, program, args...).CombinedOutput()
	if m := regexp.MustCompile(pattern).FindSubmatch(out); m != nil {
		return string(m[1])
	}
	return "?"
}

func (l *lab) postgresVersion(ctx context.Context) (version string) {
	conn, err := pgx.Connect(ctx, l.postgres.URL())
	if err != nil {
		return "?"
	}
	defer func() { _ = conn.Close(ctx) }()
	return conn.PgConn().ParameterStatus("server_version")
}

// syncTime returns the mean time of a write with fsync, which every commit takes at least.
func syncTime(dir string) (time.Duration, error) {
	f, err := os.CreateTemp(dir, "sync")
	if err != nil {
		return 0, err
	}
	defer func() { _, _ = f.Close(), os.Remove(f.Name()) }()
	const writes = 100
	began := time.Now()
	for range writes {
		_, err = f.WriteAt(make([]byte, 8<<10), 0)
		if err := errors.Join(err, f.Sync()); err != nil {
			return 0, err
		}
	}
	return time.Since(began) / writes, nil
}
