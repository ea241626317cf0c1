package main

import (
	"context"
	"fmt"
	"time"

	"github.com/outset-settings/outset/pkg/messages"
	"github.com/outset-settings/outset/pkg/store"
)

// asksForTokens tells whether requests need a token.
func (u up) asksForTokens() bool { return u.API.Auth != "none" }

// firstToken makes a token for development, with all scopes, if no service token is valid. It
// returns "" if one is. Whoever may start this has the database anyway.
func (u up) firstToken(ctx context.Context, database string) (string, error) {
	if !u.asksForTokens() || u.Limits.AdminToken != "" {
		return "", nil
	}
	s, err := store.Open(ctx, database, 1)
	if err != nil {
		return "", err
	}
	defer s.Close()
	found, err := s.Read(ctx, []store.Read{{Tokens: true}})
	if err != nil || len(found[0].Tokens) > 0 {
		return "", err
	}
	token, id := messages.NewToken()
	_, err = s.CreateToken(ctx, store.Token{
		ID: id, Name: "development", Hash: messages.HashToken(token),
		Scopes: []string{messages.AdminScope}, Application: messages.DefaultApp,
	}, time.Time{})
	return token, err
}

// aboutTokens is what the announcement says about tokens.
func (u up) aboutTokens(token string) string {
	switch {
	case !u.asksForTokens():
		return "No tokens are asked for: everybody who reaches the API may do everything.\n\n"
	case token != "":
		return fmt.Sprintf(`Requests need a token. This one may do everything, and is shown only now:

  export OUTSET_TOKEN=%s

With it the command line makes others, which may do less:

  outset token create my-program --scope settings:read --scope settings:write

`, token)
	case u.Limits.AdminToken != "":
		return "Requests need a token. ADMIN_TOKEN may do everything:\n\n" +
			"  export OUTSET_TOKEN=\"$ADMIN_TOKEN\"\n\n"
	default:
		return "Requests need a token, in OUTSET_TOKEN below. The first start has printed one; if it " +
			"is lost,\nstart with ADMIN_TOKEN=outset_NAME_SECRET, a secret of 32 or more random " +
			"letters and digits.\n\n"
	}
}

// authorization is the part of the commands in the announcement that sends the token.
func (u up) authorization() string {
	if !u.asksForTokens() {
		return ""
	}
	return `-H "Authorization: Bearer $OUTSET_TOKEN" `
}
