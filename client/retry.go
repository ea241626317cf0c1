package client

import (
	"context"
	"fmt"
	"math/rand/v2"
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
