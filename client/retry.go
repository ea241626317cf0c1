package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"
)

// Retry says how often and after what waits a request is repeated that found the service busy or
// away, or got no answer. A zero field stands for its default.
type Retry struct {
	// Attempts is the number of attempts, the first included. The default is 5.
	Attempts int
	// Wait is about how long to wait before the second attempt; each later wait is twice as long.
	// The default is 100 ms.
	Wait time.Duration
	// MaxWait limits each wait, unless the service asks for a longer one (Retry-After). The default
	// is 5 s.
	MaxWait time.Duration
}

func (r Retry) withDefaults() Retry {
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

// repeat calls attempt until it succeeds, fails for good, has failed Attempts times or ctx ends.
//
// A write whose answer was lost may have been applied, and a refusal of a later attempt doesn't
// change that: a gateway that refuses it knows nothing of the first. So from then on the error is
// [ErrOutcomeUnknown]. Only the service itself settles the matter, for it knows the write by its
// idempotency key: had it applied the first attempt, it would answer the later one with success.
func (c *Client) repeat(
	ctx context.Context, o *Operation, attempt func(context.Context) error,
) error {
	if o.err != nil {
		return o.err
	}
	outcomeUnknown := false
	for n := 1; ; n++ {
		if ctx.Err() != nil && !outcomeUnknown {
			return fmt.Errorf("outset: %w", ctx.Err())
		}
		err := attempt(ctx)
		if err == nil {
			return nil
		}
		f := classify(err)
		if f.settled {
			return err
		}
		outcomeUnknown = outcomeUnknown || o.write && f.mayBeApplied
		if ctx.Err() != nil && !outcomeUnknown {
			return fmt.Errorf("outset: %w", ctx.Err()) // the caller has given up, not the service
		}
		if ctx.Err() != nil || n >= c.retry.Attempts || !f.temporary || o.once && f.mayBeApplied {
			return giveUp(err, outcomeUnknown, n)
		}
		if stop := sleep(ctx, c.retry.pause(n, retryAfterOf(err))); stop != nil {
			return fmt.Errorf("%w (%w)", giveUp(err, outcomeUnknown, n), stop)
		}
	}
}

// failure says what the error of one attempt means.
type failure struct {
	settled      bool // nothing was changed, not even by an earlier attempt of the same write
	mayBeApplied bool // a write may have been applied by this attempt, or may be soon
	temporary    bool // another attempt may succeed
}

// temporaryStatuses are those of a service or a gateway that may work again in a moment.
var temporaryStatuses = []int{
	http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
	http.StatusTooManyRequests,
}

// gateStatuses are those with which the service refuses a request before it looks at anything else.
// They tell nothing about an earlier attempt, which may have had a token that was valid then.
var gateStatuses = []int{
	http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests,
}

func classify(err error) failure {
	var lost lostError
	if errors.As(err, &lost) {
		var untrusted *tls.CertificateVerificationError
		return failure{mayBeApplied: lost.sent, temporary: !errors.As(err, &untrusted)}
	}
	var e *Error
	if !errors.As(err, &e) { // it could not be sent, or there is nothing newer
		return failure{settled: true}
	}
	refused := e.Status >= http.StatusMultipleChoices && e.Status < http.StatusInternalServerError
	return failure{
		// by the service, not by something on the way
		settled:      refused && e.Kind != "" && !slices.Contains(gateStatuses, e.Status),
		mayBeApplied: !refused && !errors.Is(e, ErrUnavailable),
		temporary:    slices.Contains(temporaryStatuses, e.Status),
	}
}

// giveUp returns the error of a call whose last attempt failed with err.
func giveUp(err error, outcomeUnknown bool, attempts int) error {
	kind, sentinel := kindUnavailable, ErrUnavailable
	if outcomeUnknown {
		kind, sentinel = kindUnknown, ErrOutcomeUnknown
	}
	var e *Error
	switch answered := errors.As(err, &e); {
	case answered && (errors.Is(e, sentinel) || !outcomeUnknown && !classify(e).temporary):
		return err
	case answered && e.Kind != "" && !errors.Is(e, ErrInternal):
		final := *e
		final.Kind = kind
		if outcomeUnknown {
			final.Detail = "an earlier attempt got no answer; the last one: " + e.Detail
		}
		return &final
	case attempts == 1:
		return caused(sentinel, " after 1 attempt", err)
	}
	return caused(sentinel, fmt.Sprintf(" after %d attempts", attempts), err)
}

// retryAfterOf returns how long the service asks to be left alone, 0 if it doesn't say.
func retryAfterOf(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}

// pause returns how long to wait after so many attempts. Half of it is random, so that clients that
// failed together don't come back together.
func (r Retry) pause(attempts int, retryAfter time.Duration) time.Duration {
	d := min(r.Wait, r.MaxWait)
	for ; attempts > 1 && d < r.MaxWait; attempts-- {
		d += min(d, r.MaxWait-d) // can't overflow
	}
	random := rand.N(d/2 + 1) //nolint:gosec // nothing depends on its being hard to guess
	if retryAfter > 0 {
		return retryAfter + random
	}
	return d/2 + random
}

// sleep waits for d. If ctx ends before, it returns the error of ctx; if the deadline of ctx comes
// before, it doesn't wait for it.
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
