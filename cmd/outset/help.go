package main

import (
	"fmt"
	"io"

	"github.com/alecthomas/kong"

	"github.com/outset-settings/outset/internal/program"
)

// bare prints the help text if there is no command. kong wants a default command without arguments.
type bare struct{}

// Run prints the help text.
func (bare) Run(stdout io.Writer) error { return help{}.Run(stdout) }

// help prints what --help prints.
type help struct {
	Command []string `arg:"" optional:"" help:"a command, such as schema check; all commands by default"`
}

// Run prints the help text.
func (h help) Run(stdout io.Writer) error {
	parser, err := program.Parser("outset", description, &cli{})
	if err != nil {
		return err
	}
	parser.Stdout = stdout
	command, err := kong.Trace(parser, append(h.Command, "--help")) // else bare would be chosen
	if err == nil {
		err = command.Error
	}
	if err != nil {
		return program.Usage(err)
	}
	return command.PrintUsage(false)
}

// version prints what --version prints.
type version struct{}

// Run prints the version.
func (version) Run(stdout io.Writer) error {
	_, err := fmt.Fprintln(stdout, "outset", program.Version())
	return err
}
