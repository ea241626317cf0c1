package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/outset-settings/outset/client"
	"github.com/outset-settings/outset/internal/program"
)

// set sets one value, or all settings.
type set struct {
	remote
	conditions
	User   string  `arg:"" help:"the user's id"`
	First  string  `arg:"" name:"path" help:"the path of the value to set, such as editor/font/size; left out, all settings are set"`
	Second *string `arg:"" optional:"" name:"value" help:"JSON or other text; - reads it from standard input"`
	String bool    `help:"take the value as a string, even if it is JSON"`
}

// Help has examples.
func (set) Help() string {
	return `A value that is JSON is saved as JSON, any other as a string. One that begins like an object,
an array or a string of JSON and isn't JSON is refused, unless --string says that it is a string.
Objects that are missing on the path are made. A path that ends with - appends to an array. Put --
before a value that begins with a minus sign and is no number.

	outset set 42 theme dark
	outset set 42 editor/font/size 12
	outset set 42 friends/- '{"name":"ann"}'
	outset set 42 zip 01234 --string
	outset set 42 offset -5
	outset set 42 '{"theme":"dark"}' --if-match 0
	outset set 42 - < settings.json
`
}

// Run sets and prints the version.
func (s set) Run(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	if s.Second == nil {
		return s.all(ctx, stdin, stdout)
	}
	path, err := valuePath(s.First)
	if err != nil {
		return err
	}
	text, err := argument(ctx, *s.Second, stdin)
	if err != nil {
		return err
	}
	value, err := valueOf(text, s.String)
	if err != nil {
		return err
	}
	return s.write(stdout, s.User, func(c *client.Client) (int64, error) {
		v, err := c.SetValue(ctx, s.User, path, value, s.options()...)
		return v.Version, text.about(err)
	})
}

// all replaces the whole document. The service keeps its bytes.
func (s set) all(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	document, err := argument(ctx, s.First, stdin)
	switch {
	case err != nil:
		return err
	case document.name == "" && likeJSON(document.RawMessage):
		if err := checkJSON(document.RawMessage); err != nil {
			return program.Usage(fmt.Errorf("the settings are %w", err))
		}
	case document.name == "" && !json.Valid(document.RawMessage):
		return program.Usage(
			errors.New("settings are a JSON object; to set one value, give its path and the value"))
	}
	return s.write(stdout, s.User, func(c *client.Client) (int64, error) {
		put, err := c.Put(ctx, s.User, document.RawMessage, s.options()...)
		return put.Version, document.about(err)
	})
}

// valueOf returns the text if it is JSON, else a JSON string of it. What only begins like JSON is
// most likely a mistake.
func valueOf(text input, asString bool) (json.RawMessage, error) {
	if !asString && json.Valid(text.RawMessage) {
		return text.RawMessage, nil
	}
	if !asString && likeJSON(text.RawMessage) {
		return nil, program.Usage(fmt.Errorf("%s begins like JSON, and is %w; --string saves it as a "+
			"string", cmp.Or(text.name, "the value"), checkJSON(text.RawMessage)))
	}
	if !utf8.Valid(text.RawMessage) {
		return nil, program.Usage(errors.New("the value is neither JSON nor text in UTF-8"))
	}
	var b bytes.Buffer
	err := printJSON(&b, string(bytes.TrimSuffix(text.RawMessage, []byte("\n"))))
	return bytes.TrimSpace(b.Bytes()), err
}

// likeJSON tells whether a text begins like an object, an array or a string.
func likeJSON(text []byte) bool {
	text = bytes.TrimLeft(text, " \t\r\n")
	return len(text) > 0 && bytes.IndexByte([]byte("{[\""), text[0]) >= 0
}

// valuePath reads the path of a value. An empty path, which is that of the document, is an error.
func valuePath(text string) (client.Path, error) {
	path, err := client.ParsePath(text)
	switch {
	case err != nil:
		return nil, program.Usage(plain(err))
	case len(path) == 0:
		return nil, program.Usage(errors.New("the path is empty"))
	}
	return path, nil
}

// unset removes one value.
type unset struct {
	remote
	conditions
	User string `arg:"" help:"the user's id"`
	Path string `arg:"" help:"the path of the value to remove, such as editor/font/size"`
}

// Help has an example.
func (unset) Help() string {
	return `An object or an array is removed with all that is inside.

	outset unset 42 editor/font
`
}

// Run removes the value and prints the version.
func (u unset) Run(ctx context.Context, stdout io.Writer) error {
	path, err := valuePath(u.Path)
	if err != nil {
		return err
	}
	return u.write(stdout, u.User, func(c *client.Client) (int64, error) {
		v, err := c.DeleteValue(ctx, u.User, path, u.options()...)
		return v.Version, err
	})
}
