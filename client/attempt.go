package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/http/httptrace"
	"regexp"
	"sync/atomic"
	"time"
)

// answer is a successful answer of the service.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// do sends an operation, repeats it as [Retry] says, and returns the answer.
func (c *Client) do(ctx context.Context, o *Operation) (*answer, error) {
	return c.doWithin(ctx, o, c.timeout)
}

// doWithin is do with another timeout of each attempt.
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

// once makes one attempt and reads the answer to its end.
func (c *Client) once(ctx context.Context, o *Operation) (*answer, error) {
	response, err := c.authorized(ctx, func(token string) (*http.Response, error) {
		r, err := c.request(ctx, o, bytes.NewReader(o.body), token)
		if err != nil {
			return nil, err
		}
		return c.send(r, o)
	})
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

// request makes an HTTP request of an operation. It parses the URL from its text, so that what is
// percent-encoded there stays so.
func (c *Client) request(
	ctx context.Context, o *Operation, body io.Reader, token string,
) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, o.method, c.base+o.path, body)
	if err != nil {
		return nil, fmt.Errorf("outset: %w", err)
	}
	maps.Copy(r.Header, c.header)
	maps.Copy(r.Header, o.header)
	r.Host = r.Header.Get("Host") // "": the URL's; net/http ignores the header
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r, nil
}

// send returns the answer to a request if it is a success of the service. The caller closes its
// body. The error is a lostError, an [*Error] or [ErrNotModified].
func (c *Client) send(r *http.Request, o *Operation) (*http.Response, error) {
	var progress sendProgress
	ctx := httptrace.WithClientTrace(r.Context(), progress.trace())
	response, err := c.http.Do(r.WithContext(ctx))
	if err != nil {
		return nil, lostError{err, progress.mayHaveSent()}
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

// lostError is the error of an attempt that got no answer.
type lostError struct {
	error
	sent bool // the request may have left this machine
}

func (l lostError) Unwrap() error { return l.error }

// sendProgress tells whether a request may have been sent. Only net/http's own transport reports
// that it looks for a connection and that it has one; of any other the worst is assumed.
type sendProgress struct{ connecting, connected atomic.Bool }

func (p *sendProgress) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn: func(string) { p.connecting.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { p.connected.Store(true) },
	}
}

func (p *sendProgress) mayHaveSent() bool { return p.connected.Load() || !p.connecting.Load() }

// The media types of successful answers. Those with a document, a value or the schema are known by
// their entity tag instead, which begins with a version.
const (
	jsonType   = "application/json"
	linesType  = "application/x-ndjson"
	eventsType = "text/event-stream"
	noContent  = "none" // 204, without a body
)

var versionTag = regexp.MustCompile(`^(W/)?"[0-9]+(-[0-9a-z]+)*"$`)

// recognize returns an error if a successful answer is not the service's but, for instance, the
// login page of a gateway.
func (o *Operation) recognize(r *http.Response) error {
	if o.answer == "" {
		if versionTag.MatchString(r.Header.Get("ETag")) {
			return nil
		}
		return foreign(r.StatusCode, "no version")
	}
	if o.answer == noContent {
		if r.StatusCode == http.StatusNoContent {
			return nil
		}
		return foreign(r.StatusCode, "a body")
	}
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil &&
		mediaType == o.answer {
		return nil
	}
	return foreign(r.StatusCode, "no "+o.answer)
}

// foreign returns the error of a success that is not the service's. It has no kind, as all answers
// from elsewhere.
func foreign(status int, missing string) *Error {
	return &Error{
		Status: status, Title: http.StatusText(status),
		Detail: "the answer is not the service's: it has " + missing,
	}
}
