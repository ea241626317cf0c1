package main

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"github.com/outset-settings/outset/client"
	"github.com/outset-settings/outset/internal/program"
)

// The exit codes, which --help lists.
const (
	exitOther        = 1
	exitNotFound     = 3
	exitPrecondition = 4
	exitInvalid      = 5
	exitUnavailable  = 6
	exitInterrupted  = 130 // as shells have it for Ctrl-C
)

// exits has the code of each kind of error; the first that fits counts.
var exits = []struct {
	err  error
	code int
}{
	{context.Canceled, exitInterrupted}, // of which nothing else makes any
	{client.ErrNotFound, exitNotFound},
	{client.ErrPrecondition, exitPrecondition},
	{client.ErrPreconditionRequired, exitPrecondition},
	{client.ErrMalformed, exitInvalid},
	{client.ErrInvalid, exitInvalid},
	{client.ErrViolation, exitInvalid},
	{client.ErrInvalidSchema, exitInvalid},
	{client.ErrTooLarge, exitInvalid},
	{client.ErrNotApplicable, exitInvalid},
	{client.ErrKeyReused, exitInvalid},
	{client.ErrOutcomeUnknown, exitUnavailable},
	{client.ErrUnavailable, exitUnavailable},
	{client.ErrIncomplete, exitUnavailable},
}

// explain makes an error of the client's one for a person at a terminal, with its exit code.
func explain(err error) error {
	if err == nil {
		return nil
	}
	code := exitFor(err)
	var e *client.Error
	switch {
	case errors.Is(err, client.ErrOutcomeUnknown):
		return program.WithCode(code, errors.New(plain(err).Error()+inDoubt))
	case errors.As(err, &e) && len(e.Violations) > 0:
		return program.WithCode(code, violated(e))
	}
	return program.WithCode(code, plain(err))
}

const inDoubt = "\nThe change may have been made, or may be made soon: look before you repeat it."

func exitFor(err error) int {
	if errors.As(err, new(*fs.PathError)) { // a file here, whatever became of the request
		return exitOther
	}
	for _, e := range exits {
		if errors.Is(err, e.err) {
			return e.code
		}
	}
	return exitOther
}

// violated lists what is wrong with a document, one in each line.
func violated(e *client.Error) error {
	var b strings.Builder
	b.WriteString("the settings would not be as the schema wants them")
	if e.RequestID != "" {
		b.WriteString(" (request " + e.RequestID + ")")
	}
	for _, v := range e.Violations {
		b.WriteString("\n  " + place(v.Pointer) + ": " + visible(v.Reason))
	}
	if e.ViolationsOmitted {
		b.WriteString("\n  and more")
	}
	return errors.New(b.String())
}

// place is a JSON pointer for people, whom "" would say nothing.
func place(pointer string) string {
	if pointer == "" {
		return "the document"
	}
	return visible(pointer)
}
