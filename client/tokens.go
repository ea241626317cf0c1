package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// Actor is who did something.
type Actor struct {
	// Kind is "user" or "service".
	Kind string `json:"kind"`
	// Subject is the user's id; of a service its name.
	Subject string `json:"subject"`
	// Token is the id of the token, which is no secret. Only a service with the scope "admin" sees
	// it.
	Token string `json:"token,omitempty"`
}

// Token is a service token.
type Token struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	Scopes      []string  `json:"scopes"`
	Application string    `json:"application"`
	Created     time.Time `json:"created"`
	CreatedBy   *Actor    `json:"createdBy,omitempty"` // nil: not known
	Expires     time.Time `json:"expires,omitzero"`    // zero: never
	// LastUsed is about when it was last used: the service writes it down every 30 seconds.
	// Zero: never.
	LastUsed time.Time `json:"lastUsed,omitzero"`
}

// NewToken is a token to be made.
type NewToken struct {
	Name string `json:"name"`
	// Scopes are what it may be used for: "settings:read", "settings:write", "users:list",
	// "users:export", "users:erase", "schema:write", "pool:read", or "admin" for all of them and
	// tokens.
	Scopes  []string  `json:"scopes"`
	Expires time.Time `json:"expires,omitzero"` // zero: never
}

// CreateToken makes a service token. secret is the token itself, which the service never tells
// again. The request isn't repeated when its answer was lost, since that would make another token:
// after [ErrOutcomeUnknown] see [Client.Tokens].
func (c *Client) CreateToken(
	ctx context.Context, token NewToken,
) (made Token, secret string, err error) {
	body, err := json.Marshal(token)
	if err != nil {
		return Token{}, "", fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	a, err := c.do(ctx, &Operation{
		method: http.MethodPost, path: "/tokens", answer: jsonType, body: body,
		header: http.Header{"Content-Type": {jsonType}}, write: true, once: true,
	})
	if err != nil {
		return Token{}, "", err
	}
	var answer struct {
		Token
		Secret string `json:"token"`
	}
	err = decode(a.body, &answer)
	return answer.Token, answer.Secret, err
}

// Tokens returns the service tokens that are valid, the oldest first.
func (c *Client) Tokens(ctx context.Context) ([]Token, error) {
	a, err := c.do(ctx, &Operation{method: http.MethodGet, path: "/tokens", answer: jsonType})
	if err != nil {
		return nil, err
	}
	var answer struct {
		Tokens []Token `json:"tokens"`
	}
	err = decode(a.body, &answer)
	return answer.Tokens, err
}

// RevokeToken ends a service token for good, within seconds. The error is [ErrNotFound] if there
// never was one with this id.
func (c *Client) RevokeToken(ctx context.Context, id string) error {
	if id == "" { // the URL would be another one
		return fmt.Errorf("%w: the token's id is empty", ErrMalformed)
	}
	_, err := c.do(ctx, &Operation{
		method: http.MethodDelete, path: "/tokens/" + escapeSegment(id), answer: noContent,
		write: true,
	})
	return err
}
