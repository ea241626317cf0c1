package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// Why we end a stream ourselves.
var (
	errLate    = errors.New("no answer in time")
	errSilence = errors.New("no sign of life for three heartbeats")
)

// begin sends an operation whose answer is a stream, which has to begin within the time for an
// attempt. The caller closes it.
func (c *Client) begin(ctx context.Context, o *Operation, body io.Reader) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	late := time.AfterFunc(c.timeout, func() { cancel(errLate) })
	r, err := c.request(ctx, o, body)
	var response *http.Response
	if err == nil {
		response, err = c.send(r, o)
	}
	if !late.Stop() && err == nil { // at the last moment
		_ = response.Body.Close()
		err = lostError{errLate, true}
	}
	if err != nil {
		err = because(ctx, err)
		cancel(nil)
		return nil, err
	}
	response.Body = &stream{response.Body, cancel}
	return response, nil
}

// stream is the body of an answer whose context ends when it is closed.
type stream struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
}

func (s *stream) Close() error {
	s.cancel(nil)
	return s.ReadCloser.Close()
}

// because is the error of a connection that we may have ended ourselves.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); errors.Is(cause, errSilence) || errors.Is(cause, errLate) {
		return lostError{cause, true}
	}
	return err
}
