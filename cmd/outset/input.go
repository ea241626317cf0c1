package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"github.com/outset-settings/outset/internal/jsontree"
	"github.com/outset-settings/outset/internal/program"
)

// stdinName is what errors call the standard input.
const stdinName = "standard input"

// input is what a command was given.
type input struct {
	json.RawMessage
	name string // what errors call it; "" if it is an argument
}

// argument returns the text of an argument, or the standard input if it is "-".
func argument(ctx context.Context, text string, stdin io.Reader) (input, error) {
	if text != "-" {
		return input{RawMessage: []byte(text)}, nil
	}
	all, err := readAll(ctx, stdin)
	return input{all, stdinName}, err
}

// fileOr reads a file, or the standard input for "-".
func fileOr(ctx context.Context, name string, stdin io.Reader) (input, error) {
	if name == "-" {
		return argument(ctx, name, stdin)
	}
	file, err := os.Open(name) //nolint:gosec // the user has chosen it
	if err != nil {
		return input{}, err
	}
	defer func() { _ = file.Close() }()
	content, err := io.ReadAll(unmarked(file))
	return input{content, name}, err
}

// readAll reads the standard input. Ctrl-C ends the wait for it.
func readAll(ctx context.Context, stdin io.Reader) ([]byte, error) {
	var all []byte
	read := make(chan error, 1)
	go func() {
		var err error
		all, err = io.ReadAll(unmarked(stdin))
		read <- err
	}()
	select {
	case err := <-read:
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", stdinName, err)
		}
		return all, nil
	case <-ctx.Done():
		return nil, program.WithCode(exitInterrupted,
			errors.New("interrupted; nothing was sent"))
	}
}

// unmarked reads a text without the byte order mark that Windows programs put in front. If the mark
// is that of UTF-16, as of PowerShell's >, the text becomes UTF-8.
func unmarked(r io.Reader) io.Reader {
	return transform.NewReader(r, unicode.BOMOverride(transform.Nop))
}

// about names the input in an error about what it says.
func (in input) about(err error) error {
	if in.name == "" || err == nil || exitFor(err) != exitInvalid {
		return err
	}
	return contentError{err, in.name}
}

// contentError is an error about what a file says.
type contentError struct {
	error
	file string
}

func (c contentError) Unwrap() error { return c.error }

// checkJSON returns what keeps a text from being JSON, and where, in the words of the service.
func checkJSON(text []byte) error {
	_, err := jsontree.Parse(text)
	return err
}
