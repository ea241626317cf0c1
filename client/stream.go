package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// The causes with which the client itself ends a stream.
var (
	errNoAnswer = errors.New("no answer in time")
	errSilent   = errors.New("no sign of life for three heartbeats")
)

// errLoopLeft ends a stream whose loop was left.
var errLoopLeft = errors.New("the loop was left")

// open sends an operation without a body whose answer is a stream, and repeats what fails before
// the stream begins. The caller closes its body.
func (c *Client) open(ctx context.Context, o *Operation) (*http.Response, error) {
	var response *http.Response
	err := c.repeat(ctx, o, func(ctx context.Context) (err error) {
		response, err = c.begin(ctx, o, noBody) //nolint:bodyclose // the caller does
		return err
	})
	return response, err
}

// noBody is the body of a request that has none.
func noBody() io.Reader { return http.NoBody }

// begin makes one attempt at an operation whose answer is a stream. body returns the body; if the
// service refuses the token it is called again, and returns nil if the body can't be sent again.
// The timeout of an attempt limits the time until the stream begins. The caller closes its body.
func (c *Client) begin(
	ctx context.Context, o *Operation, body func() io.Reader,
) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	timeout := time.AfterFunc(c.timeout, func() { cancel(errNoAnswer) })
	var refused error
	response, err := c.authorized(ctx, func(token string) (*http.Response, error) {
		content := body()
		if content == nil {
			return nil, refused
		}
		r, err := c.request(ctx, o, content, token)
		if err != nil {
			return nil, err
		}
		response, err := c.send(r, o)
		refused = err
		return response, err
	})
	if !timeout.Stop() && err == nil { // the timeout and the answer came together
		_ = response.Body.Close()
		err = lostError{errNoAnswer, true}
	}
	if err != nil {
		err = endedBy(ctx, err)
		cancel(nil)
		return nil, err
	}
	response.Body = &streamBody{response.Body, cancel}
	return response, nil
}

// streamBody is the body of an answer whose context ends when it is closed.
type streamBody struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
}

func (s *streamBody) Close() error {
	s.cancel(nil)
	return s.ReadCloser.Close()
}

// endedBy returns the error of a stream that failed with err: the cause, if the client itself has
// ended it.
func endedBy(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); errors.Is(cause, errSilent) || errors.Is(cause, errNoAnswer) {
		return lostError{cause, true}
	}
	return err
}

// incomplete returns the error of a stream that broke off with err.
func incomplete(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return caused(ErrIncomplete, "", err)
}

// checkCount compares the number of lines that the last line of a stream gives with that of those
// that came.
func checkCount(want, got int64) error {
	if want != got {
		return fmt.Errorf("%w: there should be %d lines, not %d", ErrIncomplete, want, got)
	}
	return nil
}
