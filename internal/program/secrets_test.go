package program

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/outset-settings/outset/internal/edge"
)

const secretURL = "postgres://outset:hush-hush@db/outset"

// secretFile returns a file with the text, readable for its owner.
func secretFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// serveWith runs the command with its secrets, and returns which of their files are open to others.
func serveWith(t *testing.T, cli *testCLI, args ...string) ([]string, error) {
	t.Helper()
	var secrets secretFiles
	parser, err := Parser("test", "", cli, kong.Resolvers(&secrets))
	if err != nil {
		t.Fatal(err)
	}
	_, err = parser.Parse(append([]string{"serve"}, args...))
	return secrets.exposed, err
}

// The tests below change the environment of the process, so they are not parallel.

func TestSecretFromFile(t *testing.T) {
	for name, text := range map[string]string{
		"bare": secretURL, "a line": secretURL + "\n", "as Windows has it": secretURL + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("DATABASE_URL_FILE", secretFile(t, text))
			t.Setenv("NATS_URL_FILE", secretFile(t, "nats://a:b@c"))
			var cli testCLI
			if exposed, err := serveWith(t, &cli); err != nil || len(exposed) > 0 {
				t.Fatal(exposed, err)
			}
			if cli.DatabaseURL != secretURL || cli.URL != "nats://a:b@c" {
				t.Errorf("got %+v", cli)
			}
		})
	}
}

// TestSecretFilePrecedence: an empty variable counts as not set, and an argument wins.
func TestSecretFilePrecedence(t *testing.T) {
	t.Setenv("DATABASE_URL", "")
	t.Setenv("DATABASE_URL_FILE", secretFile(t, secretURL))
	var cli testCLI
	if err := run(t.Context(), "test", "", &cli, []string{"serve"}); err != nil ||
		cli.DatabaseURL != secretURL {
		t.Errorf("%q, %v", cli.DatabaseURL, err)
	}
	cli = testCLI{}
	if _, err := serveWith(t, &cli, "--database-url=x"); err != nil || cli.DatabaseURL != "x" {
		t.Errorf("%q, %v", cli.DatabaseURL, err)
	}
	t.Setenv("DATABASE_URL_FILE", "")
	cli = testCLI{}
	if err := run(t.Context(), "test", "", &cli, []string{"serve"}); err != nil ||
		cli.DatabaseURL != "postgres://default" {
		t.Errorf("%q, %v", cli.DatabaseURL, err)
	}
}

// TestSecretFileErrors: each is a usage error in one line, and shows neither what is in the file
// nor a secret that was taken for its path.
func TestSecretFileErrors(t *testing.T) {
	for name, c := range map[string]struct {
		path, value, want string
	}{
		"both":      {secretFile(t, secretURL), secretURL, "DATABASE_URL and DATABASE_URL_FILE"},
		"no file":   {secretURL, "", "DATABASE_URL_FILE: no such file"},
		"empty":     {secretFile(t, "\n"), "", "DATABASE_URL_FILE: the file is empty"},
		"directory": {t.TempDir(), "", "DATABASE_URL_FILE: "},
		"large":     {secretFile(t, strings.Repeat("hush-hush", 10_000)), "", "more than 65536 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("DATABASE_URL_FILE", c.path)
			t.Setenv("DATABASE_URL", c.value)
			err := run(t.Context(), "test", "", &testCLI{}, []string{"serve"})
			if exitCode(err) != usage || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if text := err.Error(); strings.Contains(text, "hush") || strings.Contains(text, "\n") {
				t.Errorf("it shows too much: %q", text)
			}
		})
	}
}

// TestSecretFileOfAnotherCommand: a command that has no such setting doesn't read the file.
func TestSecretFileOfAnotherCommand(t *testing.T) {
	t.Setenv("DATABASE_URL_FILE", "/nowhere")
	var cli struct {
		Up struct {
			DatabaseURL string `env:"DATABASE_URL" secret:""`
		} `cmd:""`
		Serve serveCLI `cmd:""`
	}
	if err := run(t.Context(), "test", "", &cli, []string{"serve"}); err != nil {
		t.Error(err)
	}
}

// TestSecretFileMode: a file that others can get at is used, with a warning.
func TestSecretFileMode(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	for mode, want := range map[os.FileMode]bool{
		0o400: false, 0o600: false, 0o640: false, 0o440: false,
		0o644: true, 0o444: true, 0o660: true, 0o602: true, 0o666: true,
	} {
		path := secretFile(t, secretURL)
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		t.Setenv("DATABASE_URL_FILE", path)
		var cli testCLI
		exposed, err := serveWith(t, &cli)
		if err != nil || cli.DatabaseURL != secretURL || (len(exposed) > 0) != want {
			t.Errorf("mode %o: %v, %v; want a warning: %v", mode, exposed, err, want)
		}
	}
	if edge.Exposed("/run/secrets/database_url", 0o444) {
		t.Error("a warning about a secret that a container engine has mounted")
	}
}

func TestSecretVariablesAreKnown(t *testing.T) {
	t.Parallel()
	parser, err := Parser("test", "", &testCLI{})
	if err != nil {
		t.Fatal(err)
	}
	for name, meant := range map[string]string{
		"DATABASE_URL_FILE": "", "DATABASE_URL_FIEL": "DATABASE_URL_FILE",
		"HTTP_ADDR_FILE": "", "HTTP_ADDR_FIL": "", // no secret, so no file
	} {
		err := unknownVariable(parser.Model, []string{name + "=x"})
		if (err != nil) != (meant != "") || err != nil && !strings.HasSuffix(err.Error(), meant+"?") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
