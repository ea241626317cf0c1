package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
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
	Token     string   `env:"OUTSET_TOKEN" hidden:"" help:"the token that requests have; in the environment only"`
	TokenFile string   `env:"OUTSET_TOKEN_FILE" placeholder:"FILE" help:"file with the token that requests have, instead of OUTSET_TOKEN; it is read again when the token is refused"`
	Header    []string `sep:"none" placeholder:"NAME:VALUE" help:"a header of each request, for instance for a gateway; may be repeated; @FILE is a file with such lines"`
	JSON      *bool    `negatable:"" xor:"format" help:"print JSON instead of text; the default if the output is not a terminal"`
}

// with calls f with a client and explains its error.
func (r remote) with(f func(c *client.Client) error) error {
	options, err := r.clientOptions()
	if err != nil {
		return err
	}
	c, err := client.New(withScheme(r.Server), options...)
	if err != nil {
		return program.Usage(fmt.Errorf("--server, OUTSET_URL: %w", plain(err)))
	}
	defer c.CloseIdleConnections()
	return explain(f(c))
}

// clientOptions are those of the client.
func (r remote) clientOptions() ([]client.Option, error) {
	header, err := r.headers()
	if err != nil {
		return nil, err
	}
	source, err := r.tokens()
	if err != nil {
		return nil, err
	}
	options := []client.Option{client.WithHeader("User-Agent", "outset/"+program.Version())}
	if source != nil {
		options = append(options, client.WithToken(source))
	}
	return append(options, headerOptions(header)...), nil
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

// tokens returns where the client gets its tokens, or nil. It looks whether there is one.
func (r remote) tokens() (func(context.Context) (string, error), error) {
	switch {
	case r.TokenFile != "":
		_, err := r.tokenInFile(context.Background())
		return r.tokenInFile, err
	case r.Token != "":
		if err := checkToken(r.Token); err != nil {
			return nil, program.Usage(fmt.Errorf("OUTSET_TOKEN: %w", err))
		}
		return client.StaticToken(r.Token), nil
	}
	return nil, nil
}

// tokenInFile reads the token.
func (r remote) tokenInFile(context.Context) (string, error) {
	content, err := os.ReadFile(r.TokenFile)
	if err != nil {
		return "", fmt.Errorf("--token-file: %w", err)
	}
	token := strings.TrimSpace(strings.TrimPrefix(string(content), "\ufeff"))
	if err := checkToken(token); err != nil {
		return "", program.Usage(fmt.Errorf("--token-file: %s: %w", visible(r.TokenFile), err))
	}
	return token, nil
}

// checkToken tells what is usually wrong where no token is.
func checkToken(token string) error {
	switch {
	case token == "":
		return errors.New("the file is empty")
	case strings.ContainsAny(token, " \t\r\n"):
		return errors.New("there must be the token alone, without spaces, and without Bearer")
	}
	return nil
}

// withScheme returns the URL of a server. One on this machine may leave out http://, which is what
// runs there by default; for others the scheme decides who can read the token.
func withScheme(server string) string {
	if strings.Contains(server, "://") {
		return server
	}
	host, _, err := net.SplitHostPort(strings.SplitN(server, "/", 2)[0])
	if ip := net.ParseIP(host); err == nil && (host == "localhost" || ip.IsLoopback()) {
		return "http://" + server
	}
	return server
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
	IfMatch string `placeholder:"ETAG" help:"write only if this is the entity tag of the current version, as \"history --json\" prints it; 0: only if there are no settings"`
	Key     string `name:"idempotency-key" placeholder:"KEY" help:"a name for this change; the service makes a change of the same name once"`
}

func (c conditions) options() (options []client.WriteOption) {
	if c.IfMatch != "" {
		options = append(options, client.IfMatch(quotedTag(c.IfMatch)))
	}
	if c.Key != "" {
		options = append(options, client.IdempotencyKey(c.Key))
	}
	return options
}

// quotedTag is an entity tag, whose quotes a shell may have taken.
func quotedTag(tag string) string {
	if tag == "" || tag == "*" || strings.Contains(tag, `"`) {
		return tag
	}
	return `"` + tag + `"`
}

// write calls f, which changes the user's settings or, without a user, the schema, and prints the
// new version.
func (r remote) write(
	w io.Writer, user string, f func(c *client.Client) (version int64, err error),
) error {
	return r.with(func(c *client.Client) error {
		version, err := f(c)
		if err != nil {
			return err
		}
		return r.tellVersion(w, user, version)
	})
}

func (r remote) tellVersion(w io.Writer, user string, version int64) error {
	if !r.json(w) {
		_, err := fmt.Fprintf(w, "%s: version %d\n", visible(cmp.Or(user, "schema")), version)
		return err
	}
	return printJSON(w, struct {
		User    string `json:"user,omitempty"`
		Version int64  `json:"version"`
	}{user, version})
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

// clock returns a time in the local time zone, which it names.
func clock(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05 -07:00") }

// plain returns an error of the client without "outset: ", which the program prints itself.
func plain(err error) error {
	return errors.New(visible(strings.TrimPrefix(err.Error(), "outset: ")))
}
