package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/outset-settings/outset/client"
	"github.com/outset-settings/outset/internal/program"
)

// get prints settings: indented on a terminal, else byte for byte.
type get struct {
	remote
	User      string `arg:"" help:"the user's id"`
	Path      string `arg:"" optional:"" help:"the path of the value to print, such as editor/font/size; all settings by default"`
	Effective bool   `xor:"which" help:"add the defaults of the schema for what is not set"`
	At        *int64 `xor:"which" placeholder:"N" help:"print the settings as they were at this version"`
	Raw       bool   `xor:"format" help:"print a string without quotes and escapes"`
}

// Help has examples.
func (get) Help() string {
	return `A path is a JSON pointer, whose first slash may be left out: keys and indexes, separated
by slashes. A slash inside a key is written ~1, a tilde ~0.

A user who has no settings, or never was, has an empty object, {}; a missing value is an error.

	outset get 42
	outset get 42 editor/font/size
	outset get 42 --at 7 > settings.json
	outset get 42 theme --effective
	theme=$(outset get 42 theme --raw)
`
}

// Run prints the settings, or the value.
func (g get) Run(ctx context.Context, stdout io.Writer) error {
	path, err := client.ParsePath(g.Path)
	if err != nil {
		return program.Usage(plain(err))
	}
	if g.At != nil && *g.At < 1 {
		return program.Usage(errors.New("--at: the first version is 1"))
	}
	return g.with(func(c *client.Client) error {
		found, err := g.fetch(ctx, c, path)
		if err != nil {
			return err
		}
		if g.Raw {
			return printRaw(stdout, found)
		}
		return g.print(stdout, found)
	})
}

func (g get) fetch(
	ctx context.Context, c *client.Client, path client.Path,
) (json.RawMessage, error) {
	var s client.Settings
	var err error
	switch {
	case g.At != nil:
		s, err = c.At(ctx, g.User, *g.At)
	case g.Effective:
		s, err = c.GetEffective(ctx, g.User)
	case len(path) > 0:
		v, err := c.Value(ctx, g.User, path)
		return v.JSON, err
	default:
		s, err = c.Get(ctx, g.User)
	}
	if err != nil {
		return nil, err
	}
	return lookup(s.Document, path)
}

// printRaw prints a string as it is, and other JSON as it is written. Only a terminal is spared
// control characters.
func printRaw(w io.Writer, value json.RawMessage) error {
	text := string(value)
	_ = json.Unmarshal(value, &text) // leaves it, unless the value is a string
	if isTerminal(w) {
		text = visible(text)
	}
	_, err := fmt.Fprintln(w, text)
	return err
}

// print writes JSON: indented for people, byte for byte for programs.
func (r remote) print(w io.Writer, document json.RawMessage) error {
	if r.json(w) {
		if isTerminal(w) && !bytes.HasSuffix(document, []byte("\n")) {
			document = append(document[:len(document):len(document)], '\n')
		}
		_, err := w.Write(document)
		return err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, bytes.TrimSpace(document), "", "  "); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w, coloured(w, visible(b.String())))
	return err
}

// lookup returns the value at a path of a document, as it is written there.
func lookup(document json.RawMessage, path client.Path) (json.RawMessage, error) {
	for i, token := range path {
		next, ok := child(document, token)
		if !ok {
			return nil, fmt.Errorf("%w: there is no value at %q", client.ErrNotFound,
				path[:i+1].String())
		}
		document = next
	}
	return document, nil
}

func child(parent json.RawMessage, token string) (json.RawMessage, bool) {
	var object map[string]json.RawMessage
	if json.Unmarshal(parent, &object) == nil {
		value, ok := object[token]
		return value, ok
	}
	var array []json.RawMessage
	n, err := strconv.Atoi(token)
	if err != nil || json.Unmarshal(parent, &array) != nil || n < 0 || n >= len(array) ||
		strconv.Itoa(n) != token {
		return nil, false
	}
	return array[n], true
}
