package load

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

//go:embed wrk.lua
var script []byte

// Latency is in microseconds.
type Latency struct {
	P50  float64 `json:"p50"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
}

// Closed is the result of a closed loop: each connection asks again as soon as it has its answer.
type Closed struct {
	Microseconds int64         `json:"microseconds"`
	Requests     int64         `json:"requests"`
	Bytes        int64         `json:"bytes"`  // of the answers, with their headers
	Errors       int           `json:"errors"` // of any kind, a status > 399 too
	Latency      Latency       `json:"latency"`
	CPU          time.Duration `json:"-"` // of wrk
}

// PerSecond is the throughput.
func (c Closed) PerSecond() float64 { return float64(c.Requests) / (float64(c.Microseconds) / 1e6) }

// Check returns an error if an answer was missing or a failure, or if the answers' mean size
// differs from a correct one's (with its headers) by more than the digits of versions do.
func (c Closed) Check(answer int) error {
	const digits = 4
	switch {
	case c.Errors > 0:
		return fmt.Errorf("%d of %d requests failed", c.Errors, c.Requests)
	case c.Requests == 0:
		return errors.New("no answer")
	}
	mean := float64(c.Bytes) / float64(c.Requests)
	if mean < float64(answer-digits) || mean > float64(answer+digits) {
		return fmt.Errorf("answers have %.1f bytes on average, correct ones %d", mean, answer)
	}
	return nil
}

// Wrk runs wrk against a base URL. wrk counts durations in whole seconds.
func (w Workload) Wrk(
	ctx context.Context, base string, connections int, duration time.Duration,
) (Closed, error) {
	dir, err := os.MkdirTemp("", "outset-wrk-")
	if err != nil {
		return Closed{}, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "wrk.lua")
	if err := os.WriteFile(file, script, 0o600); err != nil {
		return Closed{}, err
	}
	tokens := ""
	if w.Tokens != nil {
		tokens = filepath.Join(dir, "tokens")
		if err := os.WriteFile(tokens, []byte(strings.Join(w.Tokens, "\n")), 0o600); err != nil {
			return Closed{}, err
		}
	}
	prefix, suffix, mediaType := w.around()
	// Two threads at most: more would take CPU time from what is measured.
	threads := strconv.Itoa(min(connections, 2, runtime.NumCPU()))
	cmd := exec.CommandContext(ctx, "wrk", "-t", threads,
		"-c", strconv.Itoa(connections), "-d", fmt.Sprintf("%ds", max(1, int(duration.Seconds()))),
		"--timeout", "10s", "-s", file, base, "--",
		w.Method, strconv.Itoa(w.Users), string(w.Draw), strconv.Itoa(w.First),
		strconv.FormatUint(w.Seed, 10), mediaType, prefix, suffix, threads, tokens)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return Closed{}, fmt.Errorf("wrk: %w: %s", err, out)
	}
	c, err := parseWrk(out)
	c.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return c, err
}

// parseWrk reads the line that the script's function done writes.
func parseWrk(out []byte) (c Closed, err error) {
	_, line, found := bytes.Cut(out, []byte("\nRESULT "))
	if !found {
		return c, fmt.Errorf("wrk printed no result: %s", out)
	}
	line, _, _ = bytes.Cut(line, []byte("\n"))
	if err := json.Unmarshal(line, &c); err != nil {
		return c, fmt.Errorf("wrk's result %q: %w", line, err)
	}
	return c, nil
}
