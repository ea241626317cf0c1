package client

import (
	"context"
	"iter"
	"net/http"
	"time"
)

// Revision is a version in a user's history.
type Revision struct {
	Version   int64     `json:"version"`
	Time      time.Time `json:"time"`
	Operation string    `json:"operation"` // what made it: "replace", "merge-patch", …
	Size      int64     `json:"size"`      // bytes of the document; 0: it was deleted
}

// History returns the versions of the user's document that are kept, the newest first. An error is
// the last that it yields. It asks for page after page as far as the loop goes.
func (c *Client) History(ctx context.Context, user string) iter.Seq2[Revision, error] {
	return func(yield func(Revision, error) bool) {
		o := about(http.MethodGet, user, "/history?limit=100") // the most in one page
		o.answer = jsonType
		err := c.pages(ctx, o, func(body []byte) (bool, error) {
			var page struct {
				Versions []Revision `json:"versions"`
			}
			if err := decode(body, &page); err != nil {
				return false, err
			}
			return yieldAll(page.Versions, yield), nil
		})
		if err != nil {
			yield(Revision{}, err)
		}
	}
}

// yieldAll tells whether all were wanted.
func yieldAll[T any](all []T, yield func(T, error) bool) bool {
	for _, one := range all {
		if !yield(one, nil) {
			return false
		}
	}
	return true
}

// At returns the user's document as it was at a version, or [ErrNotFound] if the history doesn't
// have it (any more).
func (c *Client) At(
	ctx context.Context, user string, version int64, options ...ReadOption,
) (Settings, error) {
	return c.settings(ctx, OpAt(user, version, options...))
}

// Restore makes the document of a version current again, as a new version.
func (c *Client) Restore(
	ctx context.Context, user string, version int64, options ...WriteOption,
) (Settings, error) {
	return c.settings(ctx, OpRestore(user, version, options...))
}
