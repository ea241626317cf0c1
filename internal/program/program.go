// Package program is what each of our programs does around its work: read its
// configuration, log, stop at a signal, connect to NATS and serve its health.
package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

// version is set by the linker (-X).
var version string

// Version is the program's version in the form of semver.org.
func Version() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return strings.TrimPrefix(info.Main.Version, "v")
	}
	return "0.0.0-dev"
}

// Main runs the command that the arguments and the environment ask for (kong calls its
// Run method, which may take a context.Context, an io.Writer and cli), under a context that ends at SIGINT or SIGTERM, and returns the exit code. A second
// signal ends the program at once.
func Main(name, description string, cli any) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // back to the default: the next signal kills
	err := run(ctx, name, description, cli, os.Args[1:])
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, name+":", err)
		return 2
	default:
		fmt.Fprintln(os.Stderr, name+":", err)
		return 1
	}
}

// errUsage marks an error in the arguments or in the environment.
var errUsage = errors.New("see --help")

func run(ctx context.Context, name, description string, cli any, args []string) error {
	parser, err := Parser(name, description, cli)
	if err != nil {
		return err
	}
	if err := errors.Join(unknownVariable(parser.Model, os.Environ()), dropEmpty(parser.Model)); err != nil {
		return fmt.Errorf("%w (%w)", err, errUsage)
	}
	command, err := parser.Parse(args)
	if err != nil {
		return fmt.Errorf("%w (%w)", err, errUsage)
	}
	command.BindTo(ctx, (*context.Context)(nil))
	command.BindTo(os.Stdout, (*io.Writer)(nil))
	command.Bind(cli)
	err = command.Run()
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil // asked to stop before it had begun
	}
	return err
}

// Parser returns the reader of a program's arguments and environment. The fields of
// cli are flags; those with an env tag are read from the environment too.
func Parser(name, description string, cli any) (*kong.Kong, error) {
	return kong.New(cli,
		kong.Name(name),
		kong.Description(description),
		kong.Vars{"version": name + " " + Version()},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.ValueFormatter(func(v *kong.Value) string {
			help := kong.DefaultHelpValueFormatter(v)
			if v.HasDefault && !v.IsBool() { // kong itself shows it only where there is no placeholder
				help += " [" + v.Default + "]"
			}
			return help
		}),
	)
}
