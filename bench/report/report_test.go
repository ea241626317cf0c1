package report

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestWrite: all that a reader looks for is there, and what is no result isn't among the results.
func TestWrite(t *testing.T) {
	t.Parallel()
	r := &Report{
		Command: "the command", Commit: "abc1234", Began: time.Now(), Rounds: 2,
		Duration: time.Second,
	}
	for round := range 2 {
		for i, s := range []string{Direct, "outset"} {
			for _, n := range []int{1, 64} {
				r.Runs = append(r.Runs, Run{
					Kind: Closed, Side: s, Operation: "read", Connections: n, Round: round,
					Throughput: float64(n * 100 * (i + 1)),
					P50:        0.1, P99: 2, CPU: map[string]float64{s: 20, "postgres": 3},
					RSS: map[string]float64{s: 30}, Message: float64(i * n),
				})
			}
			r.Runs = append(r.Runs,
				Run{
					Kind: Open, Side: s, Operation: "read", Rate: 100, Round: round, P50: 1,
					P99: float64(2 + i), P999: 3,
				},
				Run{
					Kind: Workers, Side: "outset", Operation: "read", Workers: 1 + 3*i,
					Round: round, Throughput: float64(100 + 260*i),
				},
				Run{Kind: Users, Side: s, Operation: "read", Users: 1000, Round: round, P50: 1},
				Run{Kind: Users, Side: s, Operation: "read", Users: 9000, Round: round, P50: 1.1})
		}
	}
	r.Runs = append(r.Runs, Run{
		Kind: Closed, Side: "hono", Operation: "read", Connections: 64,
		Throughput: 987654, Invalid: "wrong size",
	})

	dir := filepath.Join(t.TempDir(), "results")
	if err := r.Write(dir, "test"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "test.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"the command", "abc1234",
		"| read, 64 connections: requests/s × direct | ≥ 1.4 | 2.00 | yes |",
		"| read, open loop: p99 × direct | ≤ 1 | 1.50 | no |",
		"| read, far database: requests/s × linear with the most workers | ≥ 0.9 | 0.90 | yes |",
		"| read | 64 | outset | 12800 | 2.00 | 0.10 | 2.00 |",
		"| read | outset | 100 | 1.00 | 3.00 | 1.50 | 3.00 | 0.00 |",
		"| read | 4 | 0 | 360 | 0.90 | 0.00 |",
		"| read | outset | 9000 | 1.100 | 1.10 |",
		"- hono, read, 64 connections, round 1: wrong size",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "987654") {
		t.Error("what is no result is in a table")
	}
	plots, err := filepath.Glob(filepath.Join(dir, "*.svg"))
	if err != nil || len(plots) != 6 || strings.Count(string(text), ".svg)") != len(plots) {
		t.Errorf("plots: %v, %v", plots, err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "test.json"))
	if err != nil {
		t.Fatal(err)
	}
	var again Report
	if err := json.Unmarshal(data, &again); err != nil || len(again.Runs) != len(r.Runs) {
		t.Errorf("the JSON has %d runs of %d, %v", len(again.Runs), len(r.Runs), err)
	}
}
