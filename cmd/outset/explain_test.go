package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/outset-settings/outset/client"
)

// TestExitCodes: each error has the exit code that --help lists. If the outcome of a write is
// unknown the message says so.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	file := &fs.PathError{Op: "read", Path: "a", Err: errors.New("torn")}
	for _, c := range []struct {
		err     error
		code    int
		unknown bool
	}{
		{errors.New("any"), exitOther, false},
		{client.ErrNotFound, exitNotFound, false},
		{client.ErrPrecondition, exitPrecondition, false},
		{client.ErrKeyReused, exitInvalid, false},
		{client.ErrUnavailable, exitUnavailable, false},
		{client.ErrInternal, exitOther, false},
		{client.ErrUnauthenticated, exitDenied, false},
		{client.ErrForbidden, exitDenied, false},
		{client.ErrRateLimited, exitUnavailable, false},
		{errors.Join(client.ErrInternal, client.ErrOutcomeUnknown), exitUnavailable, true},
		{fmt.Errorf("%w: %w", client.ErrIncomplete, file), exitOther, false},
		{fmt.Errorf("%w: %w", client.ErrIncomplete, context.Canceled), exitInterrupted, false},
		{fmt.Errorf("%w: %w", client.ErrOutcomeUnknown, context.Canceled), exitInterrupted, true},
	} {
		if code, text := exitFor(c.err), explain(c.err).Error(); code != c.code ||
			strings.Contains(text, outcomeUnknown) != c.unknown {
			t.Errorf("%v: exit code %d, %q", c.err, code, text)
		}
	}
}
