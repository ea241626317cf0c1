package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
)

// WithToken sends each request with a token of source, a service token or a JWT of a user. The
// client keeps the token. When the service refuses it (401), the client calls source again and
// repeats the request once, if that token is another one. So a source need not cache anything. It
// is never called twice at once.
//
// Tokens go to whoever has the URL of the service: use https beyond this machine.
func WithToken(source func(ctx context.Context) (string, error)) Option {
	return func(c *Client) error {
		c.tokens = &tokenKeeper{source: source, turn: make(chan struct{}, 1)}
		return nil
	}
}

// StaticToken is a source for [WithToken] that has one token.
func StaticToken(token string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return token, nil }
}

// tokenKeeper keeps a token until the service refuses it.
type tokenKeeper struct {
	source func(context.Context) (string, error)
	turn   chan struct{} // held while the source is called
	kept   atomic.Pointer[string]
}

// current returns the token.
func (k *tokenKeeper) current(ctx context.Context) (string, error) {
	if kept := k.kept.Load(); kept != nil {
		return *kept, nil
	}
	return k.renew(ctx, "")
}

// renew returns another token than the one that was refused, if there is one: another call may have
// asked the source meanwhile.
func (k *tokenKeeper) renew(ctx context.Context, refused string) (string, error) {
	select {
	case k.turn <- struct{}{}:
		defer func() { <-k.turn }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if kept := k.kept.Load(); kept != nil && *kept != refused {
		return *kept, nil
	}
	token, err := k.source(ctx)
	if err != nil {
		return "", err
	}
	if !validToken(token) { // net/http's error would have the token
		return "", fmt.Errorf("%w: the token is not a bearer token (RFC 6750)", ErrMalformed)
	}
	k.kept.Store(&token)
	return token, nil
}

// validToken tells whether a token can be sent (RFC 6750 section 2.1).
func validToken(token string) bool {
	return token != "" && !strings.ContainsFunc(token, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') &&
			!strings.ContainsRune("-._~+/=", r)
	})
}

// authorized makes an attempt with the token, and another with a new one if the service refuses the
// first.
func (c *Client) authorized(
	ctx context.Context, attempt func(token string) (*http.Response, error),
) (*http.Response, error) {
	if c.tokens == nil {
		return attempt("")
	}
	token, err := c.tokens.current(ctx)
	if errors.Is(err, ErrMalformed) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("outset: the token: %w", err)
	}
	response, err := attempt(token)
	var e *Error
	if !errors.As(err, &e) || e.Status != http.StatusUnauthorized {
		return response, err
	}
	renewed, renewErr := c.tokens.renew(ctx, token)
	switch {
	case renewErr != nil:
		return nil, fmt.Errorf("%w; a new token: %w", err, renewErr)
	case renewed == token:
		return nil, err
	}
	return attempt(renewed)
}
