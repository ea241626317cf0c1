package e2e

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestExampleNATS: the example changes a setting, and is told why where it can't.
func TestExampleNATS(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	s := newSystem(ctx, t)
	s.newWorker()
	example := func(args ...string) string {
		cmd := exec.CommandContext(ctx, "go",
			append([]string{"run", "./examples/nats"}, args...)...)
		cmd.Dir = ".."
		out, _ := cmd.CombinedOutput() // the exit status is in it
		return strings.TrimSpace(string(out))
	}
	for _, c := range []struct{ patch, want string }{
		{`{"theme":"dark","size":12}`, `version 1: {"theme":"dark","size":12}`},
		{`{"size":null}`, `version 2: {"theme":"dark"}`},
		{`{"size":`, "nats: malformed: malformed: the JSON ends too early\nexit status 1"},
	} {
		if got := example(s.queue, "42", c.patch); got != c.want {
			t.Errorf("%s: got %q, want %q", c.patch, got, c.want)
		}
	}
	if got := example(s.queue); got != "nats: usage: nats URL USER PATCH\nexit status 1" {
		t.Errorf("without arguments: %q", got)
	}
}
