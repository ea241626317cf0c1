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
	"time"
)

//go:embed wrk.lua
var script []byte

// Latency is in microseconds.
type Latency struct {
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
}

// Closed is what a closed loop came to: each connection asks again as soon as it has its answer.
type Closed struct {
	Microseconds int64 `json:"microseconds"`
	Requests     int64 `json:"requests"`
	Bytes        int64 `json:"bytes"` // of the answers, with their headers
	Errors       struct {
		Connect int `json:"connect"`
		Read    int `json:"read"`
		Write   int `json:"write"`
		Status  int `json:"status"` // over 399
		Timeout int `json:"timeout"`
	} `json:"errors"`
	Latency Latency       `json:"latency"`
	CPU     time.Duration `json:"-"` // of wrk
}

// PerSecond is the throughput.
func (c Closed) PerSecond() float64 { return float64(c.Requests) / (float64(c.Microseconds) / 1e6) }

// Check returns an error if an answer was missing, a failure, or on average not of about the size
// (with its headers) that a right one has: some bytes more or less are for the digits of versions.
func (c Closed) Check(answer int) error {
	const digits = 4
	switch e := c.Errors; {
	case e.Connect+e.Read+e.Write+e.Status+e.Timeout > 0:
		return fmt.Errorf("errors: connect %d, read %d, write %d, status %d, timeout %d", e.Connect,
			e.Read, e.Write, e.Status, e.Timeout)
	case c.Requests == 0:
		return errors.New("no answer")
	}
	if mean := float64(c.Bytes) / float64(c.Requests); mean < float64(answer-digits) ||
		mean > float64(answer+digits) {
		return fmt.Errorf("answers have %.1f bytes on average, and a right one has %d", mean,
			answer)
	}
	return nil
}

// Wrk runs wrk for a time, which it knows in whole seconds, with a number of connections.
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
	users := "uniform"
	if w.Zipf {
		users = "zipf"
	}
	prefix, suffix, mediaType := w.around()
	// Two threads at most: more take time from those who are measured.
	threads := min(connections, 2, runtime.NumCPU())
	cmd := exec.CommandContext(ctx, "wrk", "-t", strconv.Itoa(threads), "-c",
		strconv.Itoa(connections),
		"-d", fmt.Sprintf("%ds", max(1, int(duration.Seconds()))), "--timeout", "10s", "-s", file,
		base, "--",
		w.Method, strconv.Itoa(w.Users), users, strconv.FormatUint(w.Seed, 10), mediaType, prefix,
		suffix)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return Closed{}, fmt.Errorf("wrk: %w: %s", err, out)
	}
	c, err := parseWrk(out)
	c.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return c, err
}

// parseWrk reads the line that the script's function done has written.
func parseWrk(out []byte) (c Closed, err error) {
	_, line, found := bytes.Cut(out, []byte("\nRESULT "))
	if !found {
		return c, fmt.Errorf("wrk said no result: %s", out)
	}
	line, _, _ = bytes.Cut(line, []byte("\n"))
	if err := json.Unmarshal(line, &c); err != nil {
		return c, fmt.Errorf("wrk's result %q: %w", line, err)
	}
	return c, nil
}
