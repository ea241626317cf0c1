package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

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

// checkJSON returns an error with the place at which a text ceases to be JSON.
func checkJSON(text []byte) error {
	err := json.Unmarshal(text, new(json.RawMessage))
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return err
	}
	before := text[:syntax.Offset]
	if !endsEarly(syntax) {
		before = before[:len(before)-1] // the offset is behind the wrong byte
	}
	line, column := bytes.Count(before, []byte("\n"))+1,
		utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])+1
	return fmt.Errorf("line %d, column %d: %w", line, column, err)
}

func endsEarly(err *json.SyntaxError) bool {
	return strings.HasPrefix(err.Error(), "unexpected end")
}
