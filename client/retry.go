package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Retry says how a request is repeated that found the service busy or away, or got no answer. Where
// a number is 0 the default holds.
type Retry struct {
	Attempts int // at most, the first included; default 5
	// about so long before the second; twice as long each time; default 100 ms
	Wait time.Duration
	// never longer than this, unless the service asks for it (Retry-After); default 5 s
	MaxWait time.Duration
}

func (r Retry) orDefaults() Retry {
	if r.Attempts <= 0 {
		r.Attempts = 5
	}
	if r.Wait <= 0 {
		r.Wait = 100 * time.Millisecond
	}
	if r.MaxWait <= 0 {
		r.MaxWait = 5 * time.Second
	}
	return r
}

// pause is how long to wait after so many attempts. Half of it is chance, so that clients that
// failed together don't come back together.
func (r Retry) pause(attempts int, retryAfter time.Duration) time.Duration {
	d := min(r.Wait, r.MaxWait)
	for ; attempts > 1 && d < r.MaxWait; attempts-- {
		d += min(d, r.MaxWait-d) // which can't overflow
	}
	random := rand.N(d/2 + 1) //nolint:gosec // nothing depends on its being hard to guess
	if retryAfter > 0 {
		return retryAfter + random
	}
	return d/2 + random
}

// sleep waits, unless ctx ends before the time would be over: then it returns at once, with an
// error that is that of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < d {
		return fmt.Errorf("no time is left to try again: %w", context.DeadlineExceeded)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lostError is a failure to get an answer.
type lostError struct {
	error
	sent bool // the request may have left
}

func (l lostError) Unwrap() error { return l.error }

// settled tells whether a failure leaves nothing open, whatever became of the attempts before: the
// service itself refuses the request, there is nothing newer, or it could not be made.
func settled(err error) bool {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind != "" && e.Status < http.StatusInternalServerError
	}
	return !errors.As(err, new(lostError))
}

// doubtful tells whether a write that failed so may have been applied.
func doubtful(err error) bool {
	var lost lostError
	if errors.As(err, &lost) {
		return lost.sent
	}
	var e *Error
	return errors.As(err, &e) && !errors.Is(e, ErrUnavailable) &&
		(e.Status >= http.StatusInternalServerError || e.Status < http.StatusMultipleChoices)
}

// passing are the statuses that may be others in a moment.
var passing = []int{http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}

// temporary tells whether repeating what failed so may help.
func temporary(err error) bool {
	var e *Error
	if errors.As(err, &e) {
		return slices.Contains(passing, e.Status)
	}
	var untrusted *tls.CertificateVerificationError
	return errors.As(err, new(lostError)) && !errors.As(err, &untrusted)
}

// giveUp is the error of a call whose last attempt failed so.
func giveUp(err error, doubt bool, attempts int) error {
	kind, sentinel := kindUnavailable, ErrUnavailable
	if doubt {
		kind, sentinel = kindUnknown, ErrOutcomeUnknown
	}
	var e *Error
	switch answered := errors.As(err, &e); {
	case answered && (errors.Is(e, sentinel) || !doubt && !temporary(e)):
		return err
	case answered && e.Kind != "" && !errors.Is(e, ErrInternal):
		final := *e
		final.Kind = kind
		if doubt {
			final.Detail = "an attempt before got no answer; the last one: " + e.Detail
		}
		return &final
	}
	return caused(sentinel, " after "+times(attempts), err)
}

// causedError is an error of this package with what led to it. Its text has the name of the package
// once.
type causedError struct {
	kind  error
	more  string
	cause error
}

func caused(kind error, more string, cause error) error { return &causedError{kind, more, cause} }

func (c *causedError) Error() string {
	return c.kind.Error() + c.more + ": " + strings.TrimPrefix(c.cause.Error(), "outset: ")
}

func (c *causedError) Unwrap() []error { return []error{c.kind, c.cause} }

// after is how long the service wants not to be asked again.
func after(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}

func times(attempts int) string {
	if attempts == 1 {
		return "1 attempt"
	}
	return fmt.Sprintf("%d attempts", attempts)
}
