package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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
	Text   bool    `help:"take the value as text, even if it is JSON"`
}

// Help has examples.
func (set) Help() string {
	return `A value that is JSON is saved as JSON, any other as text. Objects that are missing on
the path are made. A path that ends with - appends to an array. Put -- before a value that begins
with a minus sign.

	outset set 42 theme dark
	outset set 42 editor/font/size 12
	outset set 42 friends/- '{"name":"ann"}'
	outset set 42 zip 01234 --text
	outset set 42 offset -- -5
	outset set 42 '{"theme":"dark"}' --if-version 0
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
	value, err := valueOf(text, s.Text)
	if err != nil {
		return err
	}
	return s.write(stdout, s.User, func(c *client.Client) (int64, error) {
		v, err := c.SetValue(ctx, s.User, path, value, s.options()...)
		return v.Version, err
	})
}

// all replaces the whole document. The service keeps its bytes.
func (s set) all(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	document, err := argument(ctx, s.First, stdin)
	switch {
	case err != nil:
		return err
	case s.First != "-" && !json.Valid(document):
		return program.Usage(
			errors.New("settings are a JSON object; to set one value, give its path and the value"))
	}
	return s.write(stdout, s.User, func(c *client.Client) (int64, error) {
		put, err := c.Put(ctx, s.User, document, s.options()...)
		return put.Version, err
	})
}

// valueOf returns the text if it is JSON, else a JSON string of it.
func valueOf(text []byte, asText bool) (json.RawMessage, error) {
	if !asText && json.Valid(text) {
		return text, nil
	}
	if !utf8.Valid(text) {
		return nil, program.Usage(errors.New("the value is neither JSON nor text in UTF-8"))
	}
	var b bytes.Buffer
	err := printJSON(&b, string(bytes.TrimSuffix(text, []byte("\n"))))
	return bytes.TrimSpace(b.Bytes()), err
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
