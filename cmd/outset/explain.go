package main

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"github.com/outset-settings/outset/client"
	"github.com/outset-settings/outset/internal/program"
)

// The exit codes. --help explains them.
const (
	exitOther        = 1
	exitNotFound     = 3
	exitPrecondition = 4
	exitInvalid      = 5
	exitUnavailable  = 6
	exitDenied       = 7
	exitInterrupted  = 130 // that of shells for Ctrl-C
)

// exits has the exit code of each kind of error. The first that matches counts.
var exits = []struct {
	err  error
	code int
}{
	{context.Canceled, exitInterrupted}, // only a signal cancels
	{client.ErrUnauthenticated, exitDenied},
	{client.ErrForbidden, exitDenied},
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
	{client.ErrRateLimited, exitUnavailable},
	{client.ErrIncomplete, exitUnavailable},
}

// explain turns an error of the client into a message for people, with its exit code.
func explain(err error) error {
	if err == nil {
		return nil
	}
	text := message(err)
	if c := (contentError{}); errors.As(err, &c) {
		text = visible(c.file) + ": " + text
	}
	return program.WithCode(exitFor(err), errors.New(text))
}

func message(err error) string {
	var e *client.Error
	switch {
	case errors.Is(err, client.ErrOutcomeUnknown):
		return plain(err).Error() + outcomeUnknown
	case errors.Is(err, client.ErrUnauthenticated):
		return plain(err).Error() + needsToken
	case errors.As(err, &e) && len(e.Violations) > 0:
		return listViolations(e)
	}
	return plain(err).Error()
}

const outcomeUnknown = "\n" +
	"The change may have been made, or may be made soon. Check before you repeat it."

const needsToken = "\n" +
	"The token is taken from the variable OUTSET_TOKEN, or from a file with --token-file."

func exitFor(err error) int {
	if errors.As(err, new(*fs.PathError)) { // a local file, whatever became of the request
		return exitOther
	}
	for _, e := range exits {
		if errors.Is(err, e.err) {
			return e.code
		}
	}
	return exitOther
}

// listViolations lists the violations of a schema, one in each line.
func listViolations(e *client.Error) string {
	var b strings.Builder
	b.WriteString("the settings would violate the schema")
	if e.RequestID != "" {
		b.WriteString(" (request " + e.RequestID + ")")
	}
	for _, v := range e.Violations {
		b.WriteString("\n  " + location(v.Pointer) + ": " + visible(v.Reason))
	}
	if e.ViolationsOmitted {
		b.WriteString("\n  and more")
	}
	return b.String()
}

// location returns a JSON pointer for people: "" is the whole document.
func location(pointer string) string {
	if pointer == "" {
		return "the document"
	}
	return visible(pointer)
}
