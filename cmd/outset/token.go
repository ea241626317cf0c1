package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/outset-settings/outset/client"
)

// token has the commands about service tokens.
type token struct {
	Create tokenCreate `cmd:"" help:"make a token, and print it"`
	List   tokenList   `cmd:"" help:"list the tokens that are valid"`
	Revoke tokenRevoke `cmd:"" help:"revoke a token for good"`
}

// Help has examples.
func (token) Help() string {
	return `Programs use service tokens, by which the service knows what they may do. The commands here need
one with the scope admin.

	outset token create nightly --scope users:export --expires 365d
	OUTSET_TOKEN=$(outset token create nightly --scope users:export --raw)
	outset token list
	outset token revoke 5f0c36e1a09b7d42

The scopes: settings:read and settings:write for the settings of all users, users:list, users:export,
users:erase, schema:write, pool:read, and admin for all of these and the tokens.
`
}

type tokenCreate struct {
	remote
	Name    string   `arg:"" help:"what the token is for"`
	Scopes  []string `name:"scope" required:"" placeholder:"SCOPE" help:"what it may do; may be repeated"`
	Raw     bool     `xor:"format" help:"print the token alone, as on a terminal, and not JSON"`
	Expires future   `placeholder:"TIME" help:"when it ceases to be valid: 2027-11-24T18:00:00Z, 2027-11-24, 24h or 90d; never by default"`
}

// createdToken is a new token as JSON.
type createdToken struct {
	client.Token
	Secret string `json:"token"`
}

// Run prints the token on standard output and all else on standard error, or JSON with all of it.
func (t tokenCreate) Run(ctx context.Context, stdout io.Writer) error {
	return t.with(func(c *client.Client) error {
		made, secret, err := c.CreateToken(ctx, client.NewToken{
			Name: t.Name, Scopes: t.Scopes, Expires: t.Expires.Time,
		})
		if err != nil {
			return err
		}
		if !t.Raw && t.json(stdout) {
			return printJSON(stdout, createdToken{made, secret})
		}
		fmt.Fprintf(os.Stderr, "This is the token %s. It is not shown again.\n", made.ID)
		_, err = fmt.Fprintln(stdout, secret)
		return err
	})
}

type tokenList struct{ remote }

// Run prints the tokens, the oldest first, as a table or as one line of JSON each.
func (t tokenList) Run(ctx context.Context, stdout io.Writer) error {
	return t.with(func(c *client.Client) error {
		all, err := c.Tokens(ctx)
		if err != nil {
			return err
		}
		rows := newTable(stdout, "ID\tNAME\tSCOPES\tCREATED BY\tEXPIRES\tLAST USED")
		for _, one := range all {
			if t.json(stdout) {
				err = printJSON(stdout, one)
			} else {
				err = rows.row("%s\t%s\t%s\t%s\t%s\t%s", one.ID, one.Name,
					strings.Join(one.Scopes, " "), by(one.CreatedBy), clockOr(one.Expires, "never"),
					clockOr(one.LastUsed, "never"))
			}
			if err != nil {
				return err
			}
		}
		if t.json(stdout) {
			return nil
		}
		return rows.end("no tokens")
	})
}

// by names an actor in a table.
func by(a *client.Actor) string {
	if a == nil {
		return "-"
	}
	return cmp.Or(a.Kind, "?") + " " + a.Subject
}

// clockOr is clock with a word for no time.
func clockOr(t time.Time, none string) string {
	if t.IsZero() {
		return none
	}
	return clock(t)
}

type tokenRevoke struct {
	remote
	ID string `arg:"" help:"the token's id; list has them"`
}

// Run revokes the token.
func (t tokenRevoke) Run(ctx context.Context, stdout io.Writer) error {
	return t.with(func(c *client.Client) error {
		if err := c.RevokeToken(ctx, t.ID); err != nil {
			return err
		}
		if t.json(stdout) {
			return printJSON(stdout, struct {
				ID string `json:"id"`
			}{t.ID})
		}
		_, err := fmt.Fprintf(stdout, "%s is revoked\n", visible(t.ID))
		return err
	})
}

// future is a time to come as people write it.
type future struct{ time.Time }

// UnmarshalText reads a time, a day in the local time zone, or how far away it is.
func (f *future) UnmarshalText(text []byte) error {
	var m moment
	if days, ok := strings.CutSuffix(string(text), "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			f.Time = time.Now().AddDate(0, 0, int(n))
			return nil
		}
	}
	if d, err := time.ParseDuration(string(text)); err == nil && d > 0 {
		f.Time = time.Now().Add(d)
		return nil
	}
	if err := m.UnmarshalText(text); err != nil || m.Before(time.Now()) {
		return fmt.Errorf("%q is not a time to come like 2027-11-24T18:00:00Z, 2027-11-24, 24h or 90d",
			text)
	}
	f.Time = m.Time
	return nil
}
