package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"github.com/outset-settings/outset/client"
	"github.com/outset-settings/outset/internal/program"
)

// remote has the flags of all commands that send requests to a service.
type remote struct {
	Server string `env:"OUTSET_URL" default:"http://127.0.0.1:8080" placeholder:"URL" help:"URL of the API"`
	// Token has a flag only because settings are flags: others can read a program's arguments.
	Token     string `env:"OUTSET_TOKEN" hidden:"" help:"the token that requests have; in the environment only"`
	TokenFile string `env:"OUTSET_TOKEN_FILE" placeholder:"FILE" help:"file with the token that requests have, instead of OUTSET_TOKEN; it is read again when the token is refused"`
	JSON      *bool  `negatable:"" help:"print JSON instead of text; the default if the output is not a terminal"`
}

// with calls f with a client and explains its error.
func (r remote) with(f func(c *client.Client) error) error {
	options := []client.Option{client.WithHeader("User-Agent", "outset/"+program.Version())}
	switch {
	case r.TokenFile != "":
		options = append(options, client.WithToken(r.tokenInFile))
	case r.Token != "":
		options = append(options, client.WithToken(client.StaticToken(r.Token)))
	}
	c, err := client.New(r.Server, options...)
	if err != nil {
		return program.Usage(fmt.Errorf("--server, OUTSET_URL: %w", plain(err)))
	}
	defer c.CloseIdleConnections()
	return explain(f(c))
}

// AfterApply refuses a token in the arguments.
func (r remote) AfterApply(command *kong.Context) error {
	for _, p := range command.Path {
		if p.Flag != nil && p.Flag.Name == "token" && !p.Resolved {
			return errors.New("--token: other users can read it here; set OUTSET_TOKEN or use " +
				"--token-file")
		}
	}
	return nil
}

// tokenInFile reads the token.
func (r remote) tokenInFile(context.Context) (string, error) {
	text, err := os.ReadFile(r.TokenFile)
	if err != nil {
		return "", fmt.Errorf("--token-file: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// json tells whether to print JSON.
func (r remote) json(stdout io.Writer) bool {
	if r.JSON != nil {
		return *r.JSON
	}
	return !isTerminal(stdout)
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// conditions has the flags of all commands that write.
type conditions struct {
	IfVersion *int64 `placeholder:"N" help:"write only if this is the current version; 0: only if there are no settings"`
	Key       string `name:"idempotency-key" placeholder:"KEY" help:"a name for this change; the service makes a change of the same name once"`
}

func (c conditions) options() (options []client.WriteOption) {
	if c.IfVersion != nil {
		options = append(options, client.IfVersion(*c.IfVersion))
	}
	if c.Key != "" {
		options = append(options, client.IdempotencyKey(c.Key))
	}
	return options
}

// write calls f, which changes the user's settings or, without a user, the schema, and prints the
// new version.
func (r remote) write(
	w io.Writer, user string, f func(c *client.Client) (version int64, err error),
) error {
	return r.with(func(c *client.Client) error {
		version, err := f(c)
		switch {
		case err != nil:
			return err
		case !r.json(w):
			_, err = fmt.Fprintf(w, "%s: version %d\n", visible(cmp.Or(user, "schema")), version)
			return err
		}
		return printJSON(w, struct {
			User    string `json:"user,omitempty"`
			Version int64  `json:"version"`
		}{user, version})
	})
}

// printJSON prints one line.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// count returns "1 thing" or "2 things".
func count(n int64, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

// clock returns a time in the local time zone.
func clock(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

// argument returns the text of an argument, or the standard input if it is "-". Ctrl-C ends the
// wait for input.
func argument(ctx context.Context, text string, stdin io.Reader) ([]byte, error) {
	if text != "-" {
		return []byte(text), nil
	}
	var all []byte
	read := make(chan error, 1)
	go func() {
		var err error
		all, err = io.ReadAll(stdin)
		read <- err
	}()
	select {
	case err := <-read:
		if err != nil {
			return nil, fmt.Errorf("reading standard input: %w", err)
		}
		return all, nil
	case <-ctx.Done():
		return nil, program.WithCode(exitInterrupted,
			errors.New("interrupted; nothing was sent"))
	}
}

// plain returns an error of the client without "outset: ", which the program prints itself.
func plain(err error) error {
	return errors.New(visible(strings.TrimPrefix(err.Error(), "outset: ")))
}
