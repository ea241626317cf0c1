//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/outset-settings/outset/internal/localpg/pgtest"
)

// secret is in all settings below. Each of its parts is looked for.
const secret = "hush-q7xz"

// TestSecretsAreNotShown: a start that fails, for whatever reason, shows no secret, whether it came
// by the environment, a file or an argument.
func TestSecretsAreNotShown(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ variable, value string }{
		"a slash in the password":  {"DATABASE_URL", "postgres://outset:x/" + secret + "@127.0.0.1/outset"},
		"a percent sign":           {"DATABASE_URL", "postgres://outset:%zz" + secret + "@127.0.0.1/outset"},
		"a bad option":             {"DATABASE_URL", "postgres://outset:" + secret + "@127.0.0.1/outset?sslmode=odd"},
		"a password as an option":  {"DATABASE_URL", "postgres://127.0.0.1/outset?password=" + secret + "&sslmode=odd"},
		"key and value":            {"DATABASE_URL", "host=127.0.0.1 password = '" + secret + "' sslmode=odd"},
		"nothing like an address":  {"DATABASE_URL", "outset:" + secret + "@@127.0.0.1"},
		"a password of NATS":       {"NATS_URL", "nats://outset:x/" + secret + "@127.0.0.1:4222"},
		"a bad port of NATS":       {"NATS_URL", "nats://outset:" + secret + "@127.0.0.1:port"},
		"another scheme for NATS":  {"NATS_URL", "http://outset:" + secret + "@127.0.0.1:4222"},
		"a comma in a password":    {"NATS_URL", "nats://outset:x," + secret + "@127.0.0.1:4222"},
		"a token of no known form": {"ADMIN_TOKEN", "outset_" + secret},
		"a server that isn't NATS": {"NATS_URL", "nats://outset:" + secret + "%@127.0.0.1:4222"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(pgtest.TempDir(t), "secret")
			if err := os.WriteFile(file, []byte(c.value+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			flag := "--" + strings.ReplaceAll(strings.ToLower(c.variable), "_", "-")
			// Where only one of them is given, the other one is an address at which nobody is.
			rest := []string{"DATABASE_URL=postgres://127.0.0.1:1/nowhere"}
			if c.variable == "DATABASE_URL" {
				rest = nil
			}
			for way, given := range map[string]struct{ env, args []string }{
				"environment": {append(rest, c.variable+"="+c.value), upArgs()},
				"file":        {append(rest, c.variable+"_FILE="+file), upArgs()},
				"argument":    {rest, upArgs(flag, c.value)},
				"both": {
					append(rest, c.variable+"="+c.value, c.variable+"_FILE="+file), upArgs(),
				},
				"mistaken for a path": {append(rest, c.variable+"_FILE="+c.value), upArgs()},
			} {
				code, stdout, stderr := run(t, env(given.env...), given.args...)
				if code == 0 {
					t.Errorf("%s: it started", way)
				}
				for part := range strings.SplitSeq(secret, "-") {
					if strings.Contains(stdout+stderr, part) {
						t.Errorf("%s: it shows %q: %s%s", way, part, stdout, stderr)
					}
				}
				if line := complaint(t, stderr); !strings.Contains(line, c.variable) {
					t.Errorf("%s: the setting isn't named: %s", way, line)
				}
			}
		})
	}
}

// TestSecretsOfFailingConnections: neither do the log lines of servers that can't be reached, or
// refuse the password.
func TestSecretsOfFailingConnections(t *testing.T) {
	t.Parallel()
	queue, _ := startNATSServer(t)
	p := start(t, env(
		"NATS_URL=nats://outset:"+secret+"@"+queue.Addr().String(),
		"DATABASE_URL=postgres://outset:"+secret+"@127.0.0.1:1/outset",
		"LOG_LEVEL=debug"), upArgs()...)
	eventually(t, "both failures are logged", func() bool {
		log := p.stderr.String()
		return strings.Contains(log, "Authorization Violation") && strings.Contains(log, "127.0.0.1:1")
	})
	p.signal(syscall.SIGINT)
	p.wait(t)
	if printed := p.stdout.String() + p.stderr.String(); strings.Contains(printed, "hush") {
		t.Errorf("a password was printed: %s", printed)
	}
}
