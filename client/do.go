package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// answer is what the service said to one request.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// do sends an operation, again and again where that is safe and may help, and returns the answer if
// it is a success.
func (c *Client) do(ctx context.Context, o *Operation) (*answer, error) {
	return c.doWithin(ctx, o, c.timeout)
}

// doWithin is do with another limit of each attempt.
func (c *Client) doWithin(
	ctx context.Context, o *Operation, timeout time.Duration,
) (*answer, error) {
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

// repeat has attempt carry out an operation until it succeeds, is refused for good, has been tried
// often enough or ctx ends. The error tells whether a write may have been applied.
func (c *Client) repeat(
	ctx context.Context, o *Operation, attempt func(context.Context) error,
) error {
	if o.err != nil {
		return o.err
	}
	doubt := false // an attempt so far may have been applied
	for n := 1; ; n++ {
		if ctx.Err() != nil && !doubt {
			return fmt.Errorf("outset: %w", ctx.Err())
		}
		err := attempt(ctx)
		if err == nil || settled(err) {
			return err
		}
		doubt = doubt || o.write && doubtful(err)
		if ctx.Err() != nil && !doubt {
			return fmt.Errorf("outset: %w", ctx.Err()) // the caller has given up, not the service
		}
		if ctx.Err() != nil || n >= c.retry.Attempts || !temporary(err) {
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
	response, err := c.send(r, o)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, lostError{fmt.Errorf("reading the answer: %w", err), true}
	}
	if o.answer == jsonType && !json.Valid(body) {
		return nil, foreign(response.StatusCode, "no JSON")
	}
	return &answer{response.StatusCode, response.Header, body}, nil
}

// request is an operation as net/http wants it. The address is parsed from its text, so that what
// is percent-encoded in it stays so.
func (c *Client) request(ctx context.Context, o *Operation, body io.Reader) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, o.method, c.base+o.path, body)
	if err != nil {
		return nil, fmt.Errorf("outset: %w", err)
	}
	maps.Copy(r.Header, c.header)
	maps.Copy(r.Header, o.header)
	return r, nil
}

// send returns the answer to a request if it is a success of the service. The caller closes its
// body.
func (c *Client) send(r *http.Request, o *Operation) (*http.Response, error) {
	var way way
	response, err := c.http.Do(r.WithContext(httptrace.WithClientTrace(r.Context(), way.trace())))
	if err != nil {
		return nil, lostError{err, way.taken()}
	}
	if response.StatusCode >= 200 && response.StatusCode < 300 {
		if err := o.recognize(response); err != nil {
			_ = response.Body.Close()
			return nil, err
		}
		return response, nil
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode == http.StatusNotModified {
		return nil, ErrNotModified
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, lostError{fmt.Errorf("reading the answer: %w", err), true}
	}
	return nil, errorOf(response.StatusCode, response.Header, body)
}

// way tells whether a request may have left. Only net/http's own transport tells when it begins to
// look for a connection and when it has one: of any other the worst is assumed.
type way struct{ begun, found atomic.Bool }

func (w *way) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn: func(string) { w.begun.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { w.found.Store(true) },
	}
}

func (w *way) taken() bool { return w.found.Load() || !w.begun.Load() }
