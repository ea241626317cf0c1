package program

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

// testCLI has settings of every sort, on both levels, as our programs have.
type testCLI struct {
	Common
	NATS
	HTTPAddr    string   `name:"http" env:"HTTP_ADDR"`
	DatabaseURL string   `env:"DATABASE_URL" secret:"" default:"postgres://default"`
	Auth        string   `env:"AUTH"`
	Serve       serveCLI `cmd:""`
	Broken      broken   `cmd:""`
}

// broken is a command that was interrupted and has something to say about it.
type broken struct{}

func (broken) Run(ctx context.Context) error { return WithCode(6, ctx.Err()) }

type serveCLI struct {
	Headers int           `env:"MAX_HEADERS" default:"2"`
	Wait    time.Duration `env:"DRAIN_TIMEOUT" default:"1s"`
}

var errHeaders = errors.New("too few headers")

func (s serveCLI) Run() error {
	if s.Headers < 0 {
		return errHeaders
	}
	return nil
}

func TestUnknownVariable(t *testing.T) {
	t.Parallel()
	parser, err := Parser("test", "", &testCLI{})
	if err != nil {
		t.Fatal(err)
	}
	for name, meant := range map[string]string{ // "": not ours
		"HTTP_ADDR":      "",
		"DATABASE_URL":   "",
		"MAX_HEADERS":    "", // of a command
		"LOG_LEVEL":      "",
		"NATS_URL":       "",
		"HTTP_ADR":       "HTTP_ADDR",     // one letter less
		"TTP_ADDR":       "HTTP_ADDR",     // the first
		"DATABASE_UR":    "DATABASE_URL",  // the last
		"HTTP_ADDRR":     "HTTP_ADDR",     // one more
		"XNATS_URL":      "NATS_URL",      //
		"MAX_HEADERX":    "MAX_HEADERS",   // another one
		"DATABASE-URL":   "DATABASE_URL",  //
		"LOGLEVEL":       "LOG_LEVEL",     //
		"LOG_LEVLE":      "LOG_LEVEL",     // two exchanged
		"DRIAN_TIMEOUT":  "DRAIN_TIMEOUT", //
		"HTPT_ADDR":      "HTTP_ADDR",     //
		"HTTP_PROXY":     "",
		"HTTP_PORT":      "",
		"HTTPS_ADDRESS":  "",
		"NATS_PORT":      "",
		"NATS_SERVICE":   "",
		"DATABASE":       "",
		"DATABASE_USER":  "", // two letters
		"LOG_FILE":       "",
		"HEADERS":        "",
		"AUTHOR":         "",
		"AUTH_":          "", // too short to be sure
		"OAUTH":          "",
		"http_addr":      "",
		"PATH":           "",
		"":               "", // as Windows has: "=C:=C:\\"
		"XAM_HEADERS":    "", // two exchanged, but not neighbours
		"HTTP_ADDR_HTTP": "",
	} {
		err := unknownVariable(parser.Model, []string{"HOME=/root", name + "=x=y", "TERM=xterm"})
		switch {
		case meant == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case meant != "" && (err == nil || err.Error() != name+" is not a setting; did you mean "+meant+"?"):
			t.Errorf("%s: got %v, want %s to be named", name, err, meant)
		}
	}
}

func TestVariableWithoutValue(t *testing.T) {
	t.Parallel()
	parser, err := Parser("test", "", &testCLI{})
	if err != nil {
		t.Fatal(err)
	}
	if err := unknownVariable(parser.Model, []string{"HTTP_ADR"}); err == nil { // no "="
		t.Error("not noticed")
	}
}

// The tests below change the environment of the process, so they are not parallel.

func TestMisspeltVariableStopsTheProgram(t *testing.T) {
	t.Setenv("DATABASE_ULR", "postgres://elsewhere")
	err := run(t.Context(), "outset", "", &testCLI{}, []string{"serve"})
	if exitCode(err) != usage || !strings.Contains(err.Error(), "did you mean DATABASE_URL?") {
		t.Errorf("got %v", err)
	}
}

func TestMalformedVariableStopsTheProgram(t *testing.T) {
	t.Setenv("MAX_HEADERS", "two")
	err := run(t.Context(), "outset", "", &testCLI{}, []string{"serve"})
	if exitCode(err) != usage || !strings.Contains(err.Error(), "MAX_HEADERS") {
		t.Errorf("got %v, want MAX_HEADERS to be named", err)
	}
}

func TestEmptyVariableCountsAsNotSet(t *testing.T) {
	t.Setenv("DATABASE_URL", "")
	t.Setenv("MAX_HEADERS", "") // would be no number
	t.Setenv("LOG_FORMAT", "")
	t.Setenv("HTTP_ADDR", "127.0.0.1:1")
	t.Setenv("OTHERS", "")
	var cli testCLI
	if err := run(t.Context(), "outset", "", &cli, []string{"serve"}); err != nil {
		t.Fatal(err)
	}
	if cli.DatabaseURL != "postgres://default" || cli.Serve.Headers != 2 || cli.Format != "auto" || cli.HTTPAddr != "127.0.0.1:1" {
		t.Errorf("got %+v", cli)
	}
	if _, ok := os.LookupEnv("OTHERS"); !ok {
		t.Error("another's variable was unset")
	}
}

func TestFlagWinsOverVariable(t *testing.T) {
	t.Setenv("HTTP_ADDR", "127.0.0.1:1")
	var cli testCLI
	if err := run(t.Context(), "outset", "", &cli, []string{"serve", "--http", "127.0.0.1:2"}); err != nil {
		t.Fatal(err)
	}
	if cli.HTTPAddr != "127.0.0.1:2" {
		t.Errorf("got %s", cli.HTTPAddr)
	}
}
