package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/outset-settings/outset/client"
	"github.com/outset-settings/outset/internal/program"
)

// deleteCommand removes a document, or everything about a user.
type deleteCommand struct {
	remote
	conditions
	User string `arg:"" help:"the user's id"`
	All  bool   `help:"erase settings, history and idempotency keys, for good"`
	Yes  bool   `help:"erase without a question"`
}

// Help has examples.
func (deleteCommand) Help() string {
	return `The history stays, so that "restore" can bring the settings back. After --all nothing
can; so it asks first on a terminal, and wants --yes elsewhere.

	outset delete 42
	outset delete 42 --all
	outset delete 42 --all --yes
`
}

// Run deletes and prints the version.
func (d deleteCommand) Run(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	if d.All && !d.Yes {
		if err := d.confirm(ctx, stdin); err != nil {
			return err
		}
	}
	return d.write(stdout, d.User, func(c *client.Client) (int64, error) {
		remove := c.Delete
		if d.All {
			remove = c.Erase
		}
		s, err := remove(ctx, d.User, d.options()...)
		return s.Version, err
	})
}

// confirm returns an error unless somebody says yes.
func (d deleteCommand) confirm(ctx context.Context, stdin io.Reader) error {
	if !isTerminal(stdin) {
		return program.Usage(errors.New("--all erases for good; say --yes if that is meant"))
	}
	yes, err := ask(ctx, stdin, fmt.Sprintf(
		"Erase the settings and the history of user %q for good?", visible(d.User)), false)
	if err == nil && !yes {
		err = errors.New("nothing was erased")
	}
	return err
}

// ask asks on the terminal. An empty answer, or none, means the default. Ctrl-C ends the wait.
func ask(ctx context.Context, stdin io.Reader, question string, byDefault bool) (bool, error) {
	choice := "[y/N]"
	if byDefault {
		choice = "[Y/n]"
	}
	fmt.Fprint(os.Stderr, question, " ", choice, " ")
	answered := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(stdin).ReadString('\n')
		answered <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case answer := <-answered:
		return strings.HasPrefix(answer, "y") || answer == "" && byDefault, nil
	case <-ctx.Done():
		fmt.Fprintln(os.Stderr)
		return false, program.WithCode(exitInterrupted, errors.New("interrupted; nothing was sent"))
	}
}
