package client

import (
	"context"
	"iter"
	"net/http"
	"time"
)

// Revision is a version in a user's history.
type Revision struct {
	Version int64 `json:"version"`
	// ETag is the entity tag that the document has, or had, at this version.
	ETag string    `json:"etag"`
	Time time.Time `json:"time"`
	// Action is what made the version: "replace", "merge-patch", "json-patch", "set-value",
	// "delete-value", "delete", "restore" or "erase".
	Action string `json:"operation"`
	// Restored is the version that a restore made current again; 0: it was none.
	Restored int64 `json:"restored,omitempty"`
	// Size is that of the document in bytes; 0 after a deletion.
	Size int64 `json:"size"`
	// Dropped: the history has a budget of bytes, and doesn't have the document any more. It can be
	// neither read nor restored.
	Dropped bool `json:"dropped,omitempty"`
	// By is who made the version; nil: not known.
	By *Actor `json:"by,omitempty"`
}

// History yields the versions of the user's document that are kept, the newest first. It reads page
// after page as far as the loop goes. An error is the last that it yields.
func (c *Client) History(ctx context.Context, user string) iter.Seq2[Revision, error] {
	return func(yield func(Revision, error) bool) {
		o := userOperation(http.MethodGet, user, "/history?limit=100") // the largest page
		o.answer = jsonType
		err := c.pages(ctx, o, func(body []byte) (bool, error) {
			var page struct {
				Versions []Revision `json:"versions"`
			}
			if err := decode(body, &page); err != nil {
				return false, err
			}
			for _, revision := range page.Versions {
				if !yield(revision, nil) {
					return false, nil
				}
			}
			return true, nil
		})
		if err != nil {
			yield(Revision{}, err)
		}
	}
}

// At returns the user's document as it was at a version, or [ErrNotFound] if the history doesn't
// have that version or no longer has it.
func (c *Client) At(
	ctx context.Context, user string, version int64, options ...ReadOption,
) (Settings, error) {
	return c.settings(ctx, OpAt(user, version, options...))
}

// Restore makes the document of an old version current again, as a new version.
func (c *Client) Restore(
	ctx context.Context, user string, version int64, options ...WriteOption,
) (Settings, error) {
	return c.settings(ctx, OpRestore(user, version, options...))
}
