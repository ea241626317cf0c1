package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"time"
)

// answer is what the service said to one request.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// do sends an operation, again and again where that is safe and may help, and returns the answer if it is a success.
func (c *Client) do(ctx context.Context, o *Operation) (*answer, error) {
	return c.doWithin(ctx, o, c.timeout)
}

// doWithin is do with another limit of each attempt.
func (c *Client) doWithin(ctx context.Context, o *Operation, timeout time.Duration) (*answer, error) {
	var a *answer
	err := c.repeat(ctx, o, func(ctx context.Context) (err error) {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		a, err = c.once(ctx, o)
		return err
	})
	if err != nil {
		return nil, err
	}
	return a, nil
}

// repeat has attempt carry out an operation until it succeeds, is refused for good, has been tried often enough or
// ctx ends. The error tells whether a write may have been applied.
func (c *Client) repeat(ctx context.Context, o *Operation, attempt func(context.Context) error) error {
	if o.err != nil {
		return o.err
	}
	doubt := false // an attempt so far may have been applied
	for n := 1; ; n++ {
		err := attempt(ctx)
		if err == nil || !temporary(err) {
			return err
		}
		doubt = doubt || o.write && !definite(err)
		if ctx.Err() != nil && !doubt {
			return fmt.Errorf("outset: %w", err) // the caller has given up, not the service
		}
		if ctx.Err() != nil || n >= c.retry.Attempts {
			return giveUp(err, doubt, n)
		}
		if stop := sleep(ctx, c.retry.pause(n, after(err))); stop != nil {
			return fmt.Errorf("%w (%w)", giveUp(err, doubt, n), stop)
		}
	}
}

// once sends an operation and reads the answer to its end.
func (c *Client) once(ctx context.Context, o *Operation) (*answer, error) {
	r, err := c.request(ctx, o, bytes.NewReader(o.body))
	if err != nil {
		return nil, err
	}
	response, err := c.send(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, lostError{fmt.Errorf("reading the answer: %w", err)}
	}
	return &answer{response.StatusCode, response.Header, body}, nil
}

// request is an operation as net/http wants it. The address is parsed from its text, so that what is
// percent-encoded in it stays so.
func (c *Client) request(ctx context.Context, o *Operation, body io.Reader) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, o.method, c.base+o.path, body)
	if err != nil {
		return nil, fmt.Errorf("outset: %w", err)
	}
	maps.Copy(r.Header, c.header)
	maps.Copy(r.Header, o.header)
	return r, nil
}

// send returns the answer to a request if it is a success. The caller closes its body.
func (c *Client) send(r *http.Request) (*http.Response, error) {
	response, err := c.http.Do(r)
	if err != nil {
		return nil, lostError{err}
	}
	if response.StatusCode >= 200 && response.StatusCode < 300 {
		return response, nil
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode == http.StatusNotModified {
		return nil, ErrNotModified
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, lostError{fmt.Errorf("reading the answer: %w", err)}
	}
	return nil, errorOf(response.StatusCode, response.Header, body)
}

// lostError is a failure to get an answer.
type lostError struct{ error }

func (l lostError) Unwrap() error { return l.error }

// passing are the statuses that may be others in a moment.
var passing = []int{http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}

// temporary tells whether repeating what failed so may help.
func temporary(err error) bool {
	var e *Error
	if errors.As(err, &e) {
		return slices.Contains(passing, e.Status)
	}
	var untrusted *tls.CertificateVerificationError
	return errors.As(err, &lostError{}) && !errors.As(err, &untrusted)
}

// definite tells whether a temporary failure surely left everything as it was: the service says so, or there was
// no connection over which the request could have gone.
func definite(err error) bool {
	var e *Error
	if errors.As(err, &e) {
		return errors.Is(e, ErrUnavailable)
	}
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// giveUp is the error of a call whose last attempt failed so.
func giveUp(err error, doubt bool, attempts int) error {
	kind, sentinel := kindUnavailable, ErrUnavailable
	if doubt {
		kind, sentinel = kindUnknown, ErrOutcomeUnknown
	}
	var e *Error
	if !errors.As(err, &e) {
		return fmt.Errorf("%w after %s: %w", sentinel, times(attempts), err)
	}
	if errors.Is(e, sentinel) {
		return e
	}
	final := *e
	final.Kind = kind
	if doubt && e.Kind != "" {
		final.Detail = "an attempt before got no answer; the last one: " + e.Detail
	}
	return &final
}

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
