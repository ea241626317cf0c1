package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Settings are the settings of a user at a version.
type Settings struct {
	User string
	// byte for byte as it was saved; {} where there is none. Nil after what leaves none, and where it wasn't asked for
	Document json.RawMessage
	Version  int64 // 0: never saved. It grows by one with each write, deletion included
	// zero: never saved. By the clock of the service; of answers about one user, in whole seconds
	Modified time.Time
	// for [IfMatch] and [IfNoneMatch]. Of [Client.GetEffective] for the latter only: a write has [IfVersion]
	ETag     string
	Schema   int64 // of [Client.GetEffective]: the version of the schema
	Replayed bool  // a write with this [IdempotencyKey] had been applied before
}

// Get returns the user's settings.
func (c *Client) Get(ctx context.Context, user string, options ...ReadOption) (Settings, error) {
	return c.settings(ctx, OpGet(user, options...))
}

// GetEffective returns the user's settings laid over the defaults of the schema.
func (c *Client) GetEffective(
	ctx context.Context, user string, options ...ReadOption,
) (Settings, error) {
	return c.settings(ctx, OpGetEffective(user, options...))
}

// Put replaces the user's document by a JSON object and returns it at its new version.
func (c *Client) Put(
	ctx context.Context, user string, document json.RawMessage, options ...WriteOption,
) (Settings, error) {
	return c.settings(ctx, OpPut(user, document, options...))
}

// Patch changes the user's document by a merge patch (RFC 7396), {"theme":null,"font":{"size":12}}
// for instance, and returns what came of it.
func (c *Client) Patch(
	ctx context.Context, user string, patch json.RawMessage, options ...WriteOption,
) (Settings, error) {
	return c.settings(ctx, OpPatch(user, patch, options...))
}

// PatchJSON changes the user's document by a JSON patch (RFC 6902), a list of operations, and
// returns what came of it.
func (c *Client) PatchJSON(
	ctx context.Context, user string, patch json.RawMessage, options ...WriteOption,
) (Settings, error) {
	return c.settings(ctx, OpPatchJSON(user, patch, options...))
}

// Delete removes the user's document. Its history stays, and its versions go on counting.
func (c *Client) Delete(
	ctx context.Context, user string, options ...WriteOption,
) (Settings, error) {
	return c.settings(ctx, OpDelete(user, options...))
}

// Erase removes all that is known of the user, history included. Only the id stays, with the
// version.
func (c *Client) Erase(ctx context.Context, user string, options ...WriteOption) (Settings, error) {
	return c.settings(ctx, OpErase(user, options...))
}

func (c *Client) settings(ctx context.Context, o Operation) (Settings, error) {
	a, err := c.do(ctx, &o)
	if err != nil {
		return Settings{}, err
	}
	return a.settings(o.user), nil
}

// settings are what an answer about one user's document says.
func (a *answer) settings(user string) Settings {
	s := Settings{
		User: user, ETag: a.header.Get("ETag"),
		Replayed: a.header.Get("Idempotency-Replayed") == "true",
	}
	s.Version, s.Schema = versionsOf(s.ETag)
	s.Modified, _ = http.ParseTime(a.header.Get("Last-Modified")) // not there: zero
	if len(a.body) > 0 {
		s.Document = a.body
	}
	return s
}

// versionsOf reads an entity tag: "7", or "7-2" where the version of the schema is a part of it.
func versionsOf(etag string) (document, schema int64) {
	first, second, _ := strings.Cut(strings.Trim(strings.TrimPrefix(etag, "W/"), `"`), "-")
	document, _ = strconv.ParseInt(first, 10, 64)
	schema, _ = strconv.ParseInt(second, 10, 64) // not there: 0
	return document, schema
}

// updates bounds how often Update begins again. Each time somebody else has succeeded.
const updates = 100

// Update changes the user's document by a function of what it is, {} where there is none, and
// returns what came of it. If somebody else changes it meanwhile the function is called again, with
// what there is then; so it should do nothing but compute. If it returns nil, nothing is written;
// if it returns an error, that is Update's.
func (c *Client) Update(
	ctx context.Context, user string, change func(old json.RawMessage) (json.RawMessage, error),
) (Settings, error) {
	current, err := c.Get(ctx, user)
	for n := 1; err == nil; n++ {
		document, failed := change(current.Document)
		if failed != nil || document == nil {
			return current, failed
		}
		updated, failed := c.Put(ctx, user, document, IfMatch(current.ETag))
		if !errors.Is(failed, ErrPrecondition) {
			return updated, failed
		}
		if n == updates {
			return Settings{}, caused(ErrPrecondition,
				fmt.Sprintf(": others were faster %d times", n), failed)
		}
		// those who met are parted by chance
		if err = sleep(ctx, c.retry.pause(1, 0)/10); err == nil {
			current, err = c.Get(ctx, user)
		}
	}
	return Settings{}, err
}
