//go:build unix

package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/outset-settings/outset/internal/localpg/pgtest"
	"github.com/outset-settings/outset/internal/program"
)

// TestUsage: mistakes in flags and variables are reported in one line, before anything is written.
func TestUsage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env  string
		args []string
		code int
		want string
	}{
		"no subcommand":   {"", []string{"schema"}, 2, `"check"`},
		"unknown help":    {"", []string{"help", "wach"}, 2, `"watch"`},
		"unknown flag":    {"", []string{"up", "--colour"}, 2, "--colour"},
		"misspelt flag":   {"", []string{"up", "--htp=127.0.0.1:0"}, 2, "--http"},
		"unknown command": {"", []string{"upp"}, 2, `did you mean one of "up"`},
		"no number":       {"", []string{"up", "--workers=two"}, 2, "--workers"},
		"no workers":      {"", []string{"up", "--workers=0"}, 2, "--workers"},
		"no unit": {
			"",
			[]string{"up", "--request-timeout=5"},
			2,
			"--request-timeout",
		},
		"misspelt variable":     {"DATABSE_URL=x", []string{"up"}, 2, "did you mean DATABASE_URL?"},
		"malformed variable":    {"MAX_DEPTH=two", []string{"up"}, 2, "MAX_DEPTH"},
		"malformed level":       {"LOG_LEVEL=loud", []string{"up"}, 2, "LOG_LEVEL"},
		"an unknown kind":       {"AUTH=nobody", []string{"up"}, 2, "AUTH"},
		"a weak token":          {"ADMIN_TOKEN=outset_a_weak", upArgs(), 2, "ADMIN_TOKEN"},
		"a token for others":    {"", []string{"get", "42", "--token", "secret"}, 2, "--token-file"},
		"top and no terminal":   {"", []string{"top"}, 2, "--once"},
		"top as JSON for ever":  {"", []string{"top", "--json"}, 2, "--once"},
		"top without a pause":   {"", []string{"top", "--interval=0s"}, 2, "--interval"},
		"impossible limit":      {"MAX_DEPTH=0", upArgs(), 2, "MAX_DEPTH"},
		"impossible document":   {"MAX_DOCUMENT_BYTES=600000", upArgs(), 2, "MAX_DOCUMENT_BYTES"},
		"impossible history":    {"", upArgs("--history-age=23h"), 2, "HISTORY_AGE"},
		"misspelt limit":        {"MAX_DEPHT=9", []string{"up"}, 2, "did you mean MAX_DEPTH?"},
		"impossible NATS URL":   {"NATS_URL=nats://a b", upArgs(), 1, "a b"},
		"impossible database":   {"DATABASE_URL=nonsense", upArgs(), 1, "DATABASE_URL"},
		"impossible NATS port":  {"NATS_ADDR=127.0.0.1:x", []string{"up"}, 1, "NATS_ADDR"},
		"impossible HTTP port":  {"", append(upArgs(), "--http=8080"), 1, "HTTP_ADDR"},
		"impossible admin port": {"", append(upArgs(), "--admin=127.0.0.1:x"), 1, "ADMIN_ADDR"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := filepath.Join(pgtest.TempDir(t), "data")
			code, stdout, stderr := run(t, env(c.env, "OUTSET_DATA="+data), c.args...)
			if line := complaint(t, stderr); code != c.code || !strings.Contains(line, c.want) {
				t.Errorf("exit code %d, %q; want %d and %q", code, line, c.code, c.want)
			}
			if stdout != "" {
				t.Errorf("printed: %s", stdout)
			}
			if strings.HasPrefix(c.env, "DATABASE_URL=") {
				return // the directory is only for the keys of NATS then
			}
			if _, err := os.Stat(data); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the data directory was made first: %v", err)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "run the whole system"},
		{[]string{"help"}, "run the whole system"},
		{[]string{"help", "schema", "check"}, "Usage: outset schema check <file>"},
		{[]string{"version"}, "outset " + program.Version()},
		{[]string{"--help"}, "run the whole system"},
		{[]string{"--help", "get"}, "Usage: outset get <user>"},
		{[]string{"up", "--help"}, "--data=DIR"},
		{[]string{"top", "--help"}, "--once"},
		{[]string{"--version"}, "outset " + program.Version()},
	} {
		code, stdout, stderr := run(t, env(), c.args...)
		if code != 0 || !strings.Contains(stdout, c.want) || stderr != "" {
			t.Errorf("%s: exit code %d, %s%s", c.args, code, stdout, stderr)
		}
	}
}

// TestHelpTexts: all commands and flags have help texts.
func TestHelpTexts(t *testing.T) {
	t.Parallel()
	parser, err := program.Parser("outset", "", &cli{})
	if err != nil {
		t.Fatal(err)
	}
	if err := kong.Visit(parser.Model, func(v kong.Visitable, next kong.Next) error {
		switch v := v.(type) {
		case *kong.Command:
			if v.Help == "" {
				t.Errorf("outset %s has no help text", v.Name)
			}
			if strings.TrimSpace(v.Detail) != "" && strings.ContainsAny(v.Detail[:1], "\n\t") {
				t.Errorf("outset %s: examples at the beginning lose their indentation", v.Name)
			}
		case *kong.Flag:
			if v.Help == "" {
				t.Errorf("--%s has no help text", v.Name)
			}
		}
		return next(nil)
	}); err != nil {
		t.Fatal(err)
	}
}

// TestVariableHelpTexts reads the source, so that it finds the variables of all programs.
func TestVariableHelpTexts(t *testing.T) {
	t.Parallel()
	tags := regexp.MustCompile("`[^`\n]*\\benv:\"[^`\n]*`")
	meaning := make(map[string]string)
	for _, dir := range []string{"../../cmd", "../../internal"} {
		if err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") ||
				strings.HasSuffix(path, "_test.go") {
				return err
			}
			source, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, quoted := range tags.FindAllString(string(source), -1) {
				tag := reflect.StructTag(strings.Trim(quoted, "`"))
				meaning[tag.Get("env")] = tag.Get("help")
				if tag.Get("help") == "" {
					t.Errorf("%s: %s has no help text", path, quoted)
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	for _, known := range []string{
		"HTTP_ADDR", "ADMIN_ADDR", "NATS_URL", "DATABASE_URL", "LOG_LEVEL", "LOG_FORMAT",
	} {
		if meaning[known] == "" {
			t.Errorf("%s was not found: does this test still find variables?", known)
		}
	}
}

// TestFlagKinds: flags of the same name are of the same kind, so that one that stands before its
// command can be read.
func TestFlagKinds(t *testing.T) {
	t.Parallel()
	parser, err := program.Parser("outset", "", &cli{})
	if err != nil {
		t.Fatal(err)
	}
	isBool := make(map[string]bool)
	if err := kong.Visit(parser.Model, func(v kong.Visitable, next kong.Next) error {
		if f, ok := v.(*kong.Flag); ok {
			if known, ok := isBool[f.Name]; ok && known != f.IsBool() {
				t.Errorf("--%s has a value in one command and none in another", f.Name)
			}
			isBool[f.Name] = f.IsBool()
		}
		return next(nil)
	}); err != nil {
		t.Fatal(err)
	}
}
