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

// Settings are the settings of a user at one version.
type Settings struct {
	User string

	// Document is a JSON object, byte for byte as it was saved, and {} where there is none. It is
	// nil after a deletion and where it was not asked for.
	Document json.RawMessage
	// Version is 0 for a user who never saved. Each write, deletions included, adds 1.
	Version int64
	// Modified is when the version was made, by the clock of the service; zero for a user who never
	// saved. In answers about a single user it is in whole seconds.
	Modified time.Time
	// ETag is for [IfMatch] and [IfNoneMatch]; that of [Client.GetEffective] is for [IfNoneMatch]
	// only.
	ETag string

	// Deleted tells of [Client.Users] with UpdatedSince that the document was deleted at this
	// version, or the user erased. Erased is the version of the user's last erasure, or 0: keep
	// nothing of that version and of those before it.
	Deleted bool
	Erased  int64

	// Schema is the version of the schema that [Client.GetEffective] took the defaults from.
	Schema int64
	// Replayed tells of a write that an earlier one with the same [IdempotencyKey] had applied.
	Replayed bool
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

// Put replaces the user's document by a JSON object and returns the new version.
func (c *Client) Put(
	ctx context.Context, user string, document json.RawMessage, options ...WriteOption,
) (Settings, error) {
	return c.settings(ctx, OpPut(user, document, options...))
}

// Patch changes the user's document by a merge patch (RFC 7396), for instance
// {"theme":null,"font":{"size":12}}, and returns the new version.
func (c *Client) Patch(
	ctx context.Context, user string, patch json.RawMessage, options ...WriteOption,
) (Settings, error) {
	return c.settings(ctx, OpPatch(user, patch, options...))
}

// PatchJSON changes the user's document by a JSON Patch (RFC 6902), for instance
// [{"op":"remove","path":"/theme"}], and returns the new version.
func (c *Client) PatchJSON(
	ctx context.Context, user string, patch json.RawMessage, options ...WriteOption,
) (Settings, error) {
	return c.settings(ctx, OpPatchJSON(user, patch, options...))
}

// Delete removes the user's document, or returns [ErrNotFound] if there never was one. The history
// stays, and the versions go on counting.
func (c *Client) Delete(
	ctx context.Context, user string, options ...WriteOption,
) (Settings, error) {
	return c.settings(ctx, OpDelete(user, options...))
}

// Erase removes all that is known of the user, history included, or returns [ErrNotFound] if there
// never was a document. Only the id and the version stay.
func (c *Client) Erase(ctx context.Context, user string, options ...WriteOption) (Settings, error) {
	return c.settings(ctx, OpErase(user, options...))
}

// maxUpdateAttempts bounds Update. An attempt fails only when another write has succeeded, so that
// even 100 writers at once are done before.
const maxUpdateAttempts = 100

// Update replaces the user's document by what change makes of it and returns the new version. The
// old document is {} where there is none.
//
// When somebody else writes in between, Update calls change again with the new document, so change
// should do nothing but compute. If change returns nil, nothing is written; if it returns an error,
// Update returns that error. After 100 writes of others the error is [ErrPrecondition].
func (c *Client) Update(
	ctx context.Context, user string, change func(old json.RawMessage) (json.RawMessage, error),
) (Settings, error) {
	for n := 1; ; n++ {
		current, err := c.Get(ctx, user)
		if err != nil {
			return Settings{}, err
		}
		document, err := change(current.Document)
		if err != nil || document == nil {
			return current, err
		}
		updated, err := c.Put(ctx, user, document, IfMatch(current.ETag))
		if !errors.Is(err, ErrPrecondition) {
			return updated, err
		}
		if n == maxUpdateAttempts {
			return Settings{}, caused(ErrPrecondition,
				fmt.Sprintf(": others were faster %d times", n), err)
		}
		// A random wait separates writers that came together.
		if err := sleep(ctx, c.retry.pause(1, 0)/10); err != nil {
			return Settings{}, err
		}
	}
}

// settings sends an operation on a user's document.
func (c *Client) settings(ctx context.Context, o Operation) (Settings, error) {
	a, err := c.do(ctx, &o)
	if err != nil {
		return Settings{}, err
	}
	return a.settings(o.user), nil
}

// withoutCoding returns the tag of the same version without the coding that the service, or a
// proxy, has named in it.
func withoutCoding(etag string) string {
	for _, coding := range []string{"gzip", "br", "zstd"} {
		if tag, ok := strings.CutSuffix(etag, "-"+coding+`"`); ok {
			return tag + `"`
		}
	}
	return etag
}

// settings reads the settings from an answer about a user's document.
func (a *answer) settings(user string) Settings {
	s := Settings{
		User:     user,
		ETag:     withoutCoding(a.header.Get("ETag")),
		Replayed: a.header.Get("Idempotency-Replayed") == "true",
	}
	s.Version, s.Schema = parseETag(s.ETag)
	s.Modified, _ = http.ParseTime(a.header.Get("Last-Modified")) // zero if it is missing
	if len(a.body) > 0 {
		s.Document = a.body
	}
	return s
}

// parseETag returns the versions in an entity tag. Each is followed by the time when it was made,
// unless it is 0: "7-hmw2k3p9x4", or "7-hmw2k3p9x4-2-hmv8z0a1b2" with the version of the schema.
func parseETag(etag string) (document, schema int64) {
	first, rest, _ := strings.Cut(strings.Trim(strings.TrimPrefix(etag, "W/"), `"`), "-")
	if first != "0" {
		_, rest, _ = strings.Cut(rest, "-")
	}
	second, _, _ := strings.Cut(rest, "-")
	document, _ = strconv.ParseInt(first, 10, 64)
	schema, _ = strconv.ParseInt(second, 10, 64) // 0 if it is missing
	return document, schema
}
