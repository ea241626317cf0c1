package main

import (
	"cmp"
	"context"
	"io"
	"os"
	"os/exec"
	"syscall"
)

// runEditor opens a file in the editor that people have chosen. Like git, it has the shell take the
// choice apart, which may have arguments.
func runEditor(ctx context.Context, file string, stdin io.Reader, stdout io.Writer) error {
	editor := cmp.Or(os.Getenv("VISUAL"), os.Getenv("EDITOR"), "vi")
	//nolint:gosec // the user has chosen it
	c := exec.CommandContext(ctx, "sh", "-c", editor+` "$1"`, editor, file)
	// An editor that is killed may leave the terminal as no shell wants it.
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.Stdin, c.Stdout, c.Stderr = stdin, stdout, os.Stderr
	if !isTerminal(stdout) { // it is for the version
		c.Stdout = os.Stderr
	}
	return c.Run()
}
