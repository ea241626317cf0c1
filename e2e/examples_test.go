package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/outset-settings/outset/internal/localnats"
)

// TestExampleNATS runs the example, which changes a setting and says why where it cannot.
func TestExampleNATS(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	s := newSystem(ctx, t)
	s.newWorker()
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{s.queue, "42", `{"theme":"dark","size":12}`}, 0, `version 1: {"theme":"dark","size":12}`},
		{[]string{s.queue, "42", `{"size":null}`}, 0, `version 2: {"theme":"dark"}`},
		{[]string{s.queue, "42", `{"size":`}, 1, "nats: malformed: malformed: the JSON ends too early, at column 9"},
		{[]string{s.queue}, 1, "nats: usage: nats URL USER PATCH"},
	} {
		cmd := exec.CommandContext(ctx, filepath.Join(s.bin, "nats"), c.args...)
		cmd.Env = append(os.Environ(), s.key(localnats.API))
		out, _ := cmd.CombinedOutput() // the exit code tells
		if got := strings.TrimSpace(string(out)); got != c.want ||
			cmd.ProcessState.ExitCode() != c.code {
			t.Errorf("%q: got %q and code %d, want %q and %d", c.args, got,
				cmd.ProcessState.ExitCode(), c.want, c.code)
		}
	}
}
