// Package program is what our programs share: they read their configuration, log, stop at a signal,
// connect to NATS and serve their health and their metrics.
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
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" &&
		info.Main.Version != "(devel)" {
		return strings.TrimPrefix(info.Main.Version, "v")
	}
	return "0.0.0-dev"
}

// Main runs the command that the arguments and the environment ask for, and returns the exit code:
// 0, 2 for a usage error, that of WithCode, or 1. kong calls the command's Run method, which may
// take a context.Context, an io.Reader (standard input), an io.Writer (standard output) and cli.
// The context ends at SIGINT, SIGTERM or SIGHUP (unless that is ignored, as by nohup); a second
// signal ends the program at once.
func Main(name, description string, cli any) int {
	signals := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP) // the terminal is gone
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	defer stop()
	context.AfterFunc(ctx, stop) // back to the default: the next signal kills
	err := run(ctx, name, description, cli, os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, red(os.Stderr, name+":"), err)
	}
	return exitCode(err)
}

func run(ctx context.Context, name, description string, cli any, args []string) error {
	var secrets secretFiles
	parser, err := Parser(name, description, cli, kong.Resolvers(&secrets))
	if err != nil {
		return err
	}
	if err := errors.Join(unknownVariable(parser.Model, os.Environ()),
		dropEmpty(parser.Model)); err != nil {
		return Usage(err)
	}
	command, err := parser.Parse(arrange(parser.Model.Node, args))
	if err != nil {
		return Usage(err)
	}
	if len(secrets.exposed) > 0 {
		secrets.warn(logger(command, cli))
	}
	command.BindTo(ctx, (*context.Context)(nil))
	command.BindTo(os.Stdin, (*io.Reader)(nil))
	command.BindTo(os.Stdout, (*io.Writer)(nil))
	command.Bind(cli)
	err = command.Run()
	if exitCode(err) == otherwise && ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil // it was asked to stop before it had begun
	}
	return err
}

// Parser returns the reader of a program's arguments and environment. The fields of
// cli are flags; those with an env tag are read from the environment too, and those with a secret
// tag from files (secretFiles).
func Parser(name, description string, cli any, more ...kong.Option) (*kong.Kong, error) {
	return kong.New(cli, append(more,
		kong.Name(name),
		kong.Description(description),
		kong.Vars{"version": name + " " + Version()},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.ValueFormatter(func(v *kong.Value) string {
			help := kong.DefaultHelpValueFormatter(v)
			// kong shows the default itself only if there is no placeholder.
			if v.HasDefault && !v.IsBool() {
				help += " [" + v.Default + "]"
			}
			return help
		}),
	)...)
}
