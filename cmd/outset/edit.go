package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/outset-settings/outset/client"
)

// edit opens settings in an editor and saves what comes of them.
type edit struct {
	remote
	User string `arg:"" help:"the user's id"`
}

// Help tells what happens with the text.
func (edit) Help() string {
	return `The editor is that of VISUAL or EDITOR, or else vi. Settings of one line are laid out for it. If
nothing was changed, or all was deleted, nothing is saved. If the text can't be saved, since it is
not JSON, violates the schema or somebody else has saved meanwhile, the question is whether to edit
it again. Where there is no terminal, or the answer is no, the text stays in a file that is named.

	outset edit 42
	VISUAL='code --wait' outset edit 42
`
}

// Run edits and saves, and prints the version.
func (e edit) Run(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	var ed editing
	err := e.with(func(c *client.Client) error {
		ed = editing{edit: e, client: c, stdin: stdin, stdout: stdout}
		return ed.run(ctx)
	})
	if err != nil && ed.keep {
		return fmt.Errorf("%w\nYour text is in %s%s", err, ed.file, ed.hint)
	}
	if ed.file != "" {
		err = errors.Join(err, os.RemoveAll(filepath.Dir(ed.file)))
	}
	return err
}

// editing is one go of edit.
type editing struct {
	edit
	client  *client.Client
	stdin   io.Reader
	stdout  io.Writer
	current client.Settings // what the text is to replace
	file    string          // has the text, in a folder of its own
	given   []byte          // what the text was at first
	keep    bool            // the text would be lost without the file
	hint    string          // how to go on with the file
}

func (e *editing) run(ctx context.Context) error {
	var err error
	if e.current, err = e.client.Get(ctx, e.User); err != nil {
		return err
	}
	if err := e.lay(); err != nil {
		return err
	}
	for {
		text, err := e.open(ctx)
		switch {
		case err != nil:
			return err
		case len(text) == 0:
			return errors.New("the text is empty; nothing was changed")
		case bytes.Equal(text, e.given):
			fmt.Fprintln(os.Stderr, "no changes")
			return nil
		}
		err = e.save(ctx, text)
		if err == nil {
			e.keep = false
			return e.tellVersion(e.stdout, e.User, e.current.Version)
		}
		if err := e.again(ctx, err); err != nil {
			return err
		}
	}
}

// lay writes the file that is edited.
func (e *editing) lay() error {
	dir, err := os.MkdirTemp("", "outset-edit-")
	if err != nil {
		return err
	}
	e.file, e.given = filepath.Join(dir, "settings.json"), trimEnd(laidOut(e.current.Document))
	return writeLine(e.file, e.given)
}

func writeLine(file string, text []byte) error {
	return os.WriteFile(file, fmt.Appendf(nil, "%s\n", text), newFileMode)
}

// laidOut returns a document that people can edit: one that is on a single line gets several.
func laidOut(document json.RawMessage) []byte {
	var b bytes.Buffer
	if bytes.ContainsRune(document, '\n') || json.Indent(&b, document, "", "  ") != nil {
		return document
	}
	return b.Bytes()
}

// trimEnd removes the line end that editors add.
func trimEnd(text []byte) []byte { return bytes.TrimRight(text, "\r\n") }

// open has the text edited, and returns it.
func (e *editing) open(ctx context.Context) ([]byte, error) {
	failed := runEditor(ctx, e.file, e.stdin, e.stdout)
	file, err := os.Open(e.file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(unmarked(file))
	text = trimEnd(text)
	e.keep = len(text) > 0 && !bytes.Equal(text, e.given)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case failed != nil:
		return nil, fmt.Errorf("the editor: %w; nothing was sent", failed)
	}
	return text, err
}

// save replaces the settings, unless somebody else did meanwhile.
func (e *editing) save(ctx context.Context, text []byte) error {
	if err := checkJSON(text); err != nil {
		return fmt.Errorf("%w: %s", client.ErrMalformed,
			strings.TrimPrefix(err.Error(), "malformed: "))
	}
	saved, err := e.client.Put(ctx, e.User, text, client.IfMatch(e.current.ETag))
	if err == nil {
		e.current = saved
	}
	return err
}

// again returns nil if the text is to be edited again, else the error.
func (e *editing) again(ctx context.Context, why error) error {
	question := "Edit it again?"
	switch {
	case errors.Is(why, client.ErrPrecondition):
		theirs, err := e.takeTheirs(ctx)
		if err != nil {
			return errors.Join(why, err)
		}
		why = fmt.Errorf("%w: somebody else has saved version %d, which is in %s",
			client.ErrPrecondition, e.current.Version, theirs)
		question = fmt.Sprintf("Edit yours again, to save it over version %d?", e.current.Version)
	case exitFor(why) != exitInvalid:
		return why
	}
	if !isTerminal(e.stdin) {
		return why
	}
	fmt.Fprintln(os.Stderr, explain(why))
	yes, err := ask(ctx, e.stdin, question, true)
	if err == nil && !yes {
		err = why
	}
	return err
}

// takeTheirs saves what others have saved meanwhile beside the text, which is to replace it now.
func (e *editing) takeTheirs(ctx context.Context) (file string, err error) {
	if e.current, err = e.client.Get(ctx, e.User); err != nil {
		return "", err
	}
	file = filepath.Join(filepath.Dir(e.file), fmt.Sprintf("version-%d.json", e.current.Version))
	e.hint = fmt.Sprintf("; to save it over version %d:\n  outset set %s - --if-match %s < %s",
		e.current.Version, quoted(e.User), strings.Trim(e.current.ETag, `"`), e.file)
	return file, writeLine(file, trimEnd(laidOut(e.current.Document)))
}

// quoted returns a word for a shell.
func quoted(word string) string {
	return "'" + strings.ReplaceAll(visible(word), "'", `'\''`) + "'"
}
