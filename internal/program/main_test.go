package program

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/outset-settings/outset/internal/testwait"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// eventually waits until the condition holds. Only a failure takes the two minutes.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	testwait.Until(t, 2*time.Minute, what, condition)
}

func TestLogHandler(t *testing.T) {
	t.Parallel()
	const text, json = "hello n=1 took=1.5ms\n", `"msg":"hello","n":1,"took":"1.5ms"}`
	for _, c := range []struct {
		format   string
		terminal bool
		want     string
	}{
		{"auto", true, text},
		{"auto", false, json},
		{"text", true, text},
		{"text", false, text},
		{"json", true, json},
		{"json", false, json},
	} {
		var b bytes.Buffer
		log := slog.New(Log{Format: c.format}.handler(&b, c.terminal))
		log.Debug("not at this level")
		log.Info("hello", "n", 1, "took", 1500*time.Microsecond)
		if got := b.String(); !strings.Contains(got, c.want) || strings.Count(got, "\n") != 1 {
			t.Errorf("format %s, terminal %v: got %q, want a line with %s", c.format, c.terminal,
				got, c.want)
		}
	}
}

func TestLogLevel(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	log := slog.New(Log{Format: "text", Level: slog.LevelWarn}.handler(&b, false))
	log.Info("quiet")
	log.Warn("loud")
	if got := b.String(); strings.Contains(got, "quiet") || !strings.Contains(got, "loud") {
		t.Errorf("got %q", got)
	}
}

func TestUsageErrors(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"an unknown flag":       {"--colour", "serve"},
		"an unknown command":    {"sevre"},
		"no command":            {},
		"no number":             {"serve", "--headers=many"},
		"no duration":           {"serve", "--wait=10"}, // of what?
		"no level":              {"serve", "--log-level=loud"},
		"no format":             {"serve", "--log-format=xml"},
		"an argument too many":  {"serve", "now"},
		"a flag without value":  {"serve", "--http"},
		"a flag of another one": {"--wait=1s"},
	} {
		err := run(t.Context(), "outset", "", &testCLI{}, args)
		if exitCode(err) != usage {
			t.Errorf("%s: got %v, want a usage error", name, err)
			continue
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: more than a line: %q", name, err)
		}
	}
}

func TestCommandErrorIsNoUsageError(t *testing.T) {
	t.Parallel()
	err := run(t.Context(), "outset", "", &testCLI{}, []string{"serve", "--headers=-1"})
	if !errors.Is(err, errHeaders) || exitCode(err) != otherwise {
		t.Errorf("got %v, want only the command's own", err)
	}
}

// TestExitCodes: an error keeps its code however it is wrapped, and one with a code is never taken
// for a wish to stop.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	cause := errors.New("why")
	for name, c := range map[string]struct {
		err  error
		code int
	}{
		"none":    {nil, 0},
		"any":     {cause, 1},
		"usage":   {Usage(cause), 2},
		"a code":  {WithCode(6, cause), 6},
		"wrapped": {fmt.Errorf("and so: %w", WithCode(6, cause)), 6},
	} {
		if code := exitCode(c.err); code != c.code || c.err != nil && !errors.Is(c.err, cause) {
			t.Errorf("%s: %d", name, code)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := run(ctx, "outset", "", &testCLI{}, []string{"broken"}); exitCode(err) != 6 {
		t.Errorf("interrupted with an error of its own: %v", err)
	}
}
