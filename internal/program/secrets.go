package program

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/outset-settings/outset/internal/edge"
)

// A setting with the tag secret:"" may hold a password or a token. Where such a setting has the
// variable X, its value can also be in the file that X_FILE names: unlike the environment, a file
// has an owner and a mode, and containers get their secrets as files.
const (
	secretTag  = "secret"
	fileSuffix = "_FILE"
	maxSecret  = 64 << 10 // bytes
)

// variables returns the environment variables of a setting.
func variables(f *kong.Flag) []string {
	names := f.Envs
	if f.Tag.Has(secretTag) {
		for _, name := range f.Envs {
			names = append(names[:len(names):len(names)], name+fileSuffix)
		}
	}
	return names
}

// secretFiles reads those settings of the chosen command that are in files. Its errors and its
// warnings name the variable only: the path may be the secret itself, set by mistake.
type secretFiles struct {
	exposed []string // variables whose file is open to others
}

// Validate has nothing to do.
func (s *secretFiles) Validate(*kong.Application) error { return nil }

// Resolve returns the value of a setting that is in a file. kong calls it for all settings that the
// command line doesn't have.
func (s *secretFiles) Resolve(_ *kong.Context, _ *kong.Path, f *kong.Flag) (any, error) {
	if !f.Tag.Has(secretTag) {
		return nil, nil
	}
	for _, name := range f.Envs {
		path := os.Getenv(name + fileSuffix)
		if path == "" {
			continue
		}
		if os.Getenv(name) != "" {
			return nil, fmt.Errorf("%s and %s are both set; one of them is enough", name,
				name+fileSuffix)
		}
		value, exposed, err := readSecret(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name+fileSuffix, err)
		}
		if exposed {
			s.exposed = append(s.exposed, name+fileSuffix)
		}
		return value, nil
	}
	return nil, nil
}

// warn logs which files are open to others.
func (s *secretFiles) warn(log *slog.Logger) {
	for _, name := range s.exposed {
		edge.WarnExposed(log, name)
	}
}

// readSecret returns what a file has, without the line ends after it, and whether others than its
// owner and group can get at it.
func readSecret(path string) (value string, exposed bool, err error) {
	f, err := os.Open(path) //nolint:gosec // an operator names it
	if err != nil {
		return "", false, withoutPath(err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return "", false, withoutPath(err)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", false, withoutPath(err)
	}
	value = strings.TrimRight(string(text), "\r\n")
	switch {
	case len(text) > maxSecret:
		return "", false, fmt.Errorf("the file has more than %d bytes", maxSecret)
	case value == "":
		return "", false, errors.New("the file is empty")
	}
	return value, edge.Exposed(path, info.Mode()), nil
}

func withoutPath(err error) error {
	var e *fs.PathError
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// logger returns the logger of a command, or of the program, if it has one.
func logger(command *kong.Context, cli any) *slog.Logger {
	candidates := []any{cli}
	if node := command.Selected(); node != nil && node.Target.CanAddr() {
		candidates = append(candidates, node.Target.Addr().Interface())
	}
	for _, v := range candidates {
		if has, ok := v.(interface{ Logger() *slog.Logger }); ok {
			return has.Logger()
		}
	}
	return Log{Format: "auto"}.Logger()
}
