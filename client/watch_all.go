package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"time"
)

// WatchAllOptions choose what [Client.WatchAll] yields. nil stands for the defaults.
type WatchAllOptions struct {
	// Include yields the documents, too.
	Include bool
	// After is the Cursor of the last UserChange that the caller has dealt with: only what has
	// changed since then is yielded. Without it all users come first; with "now" none of them.
	After string
	// Heartbeat and Lost are as in [WatchOptions].
	Heartbeat time.Duration
	Lost      func(error)
}

// ChangeKind is what a [UserChange] tells.
type ChangeKind string

// The kinds.
const (
	// Changed: the user has this version now, or has no document any more.
	Changed ChangeKind = "changed"
	// Reset: all users who have a document come anew. When CaughtUp comes, users who have not come
	// since are gone. A copy that doesn't note who has come begins again, without a Cursor, if it
	// is interrupted in between.
	Reset ChangeKind = "reset"
	// CaughtUp: all that had changed was told.
	CaughtUp ChangeKind = "caught-up"
)

// UserChange tells of one of all users, or of the sequence.
type UserChange struct {
	Kind ChangeKind `json:"-"`
	// Cursor is where to go on after this; "" with Reset.
	Cursor string `json:"-"`

	User    string    `json:"user"`
	Version int64     `json:"version"`
	ETag    string    `json:"etag"`
	Time    time.Time `json:"time"`
	// Deleted tells that the document was deleted or the user erased.
	Deleted bool `json:"deleted"`
	// Erased is the version of the user's last erasure, or 0: keep nothing of that version and of
	// those before it.
	Erased int64 `json:"erasedVersion"`
	// Settings is the document if Include asks for it and there is one, as in [Change].
	Settings json.RawMessage `json:"settings"`
}

// WatchAll yields all users who have a document, and then each change of any user, so that a copy
// becomes equal and stays so. Some versions may be left out, but never the last, and one may come
// twice. A lost connection is made again and goes on where it was, so WatchAll ends only with the
// context, or when the service refuses to go on; the error that tells which is the last that it
// yields. If the service doesn't know any more what has changed since, the kind of the next change
// is [Reset].
func (c *Client) WatchAll(
	ctx context.Context, options *WatchAllOptions,
) iter.Seq2[UserChange, error] {
	if options == nil {
		options = &WatchAllOptions{}
	}
	return func(yield func(UserChange, error) bool) {
		s := &userChanges{cursor: options.After, yield: yield}
		w := &watcher{
			client: c, operation: Operation{
				method: http.MethodGet, path: "/users/events", header: make(http.Header),
			},
			heartbeat: options.Heartbeat, lost: options.Lost, take: s.take,
			id: func() string { return s.cursor },
		}
		if options.Include {
			w.operation.path += "?include=settings"
		}
		if err := w.run(ctx); !errors.Is(err, errLoopLeft) {
			yield(UserChange{}, err)
		}
	}
}

// userChanges are the changes of all users that a call of WatchAll yields.
type userChanges struct {
	cursor string
	yield  func(UserChange, error) bool
}

// errResume ends a connection on which the service has no more to say.
var errResume = lostError{errors.New("outset: this client was too slow for the stream"), true}

// take yields what an event tells. It ignores events that a later service may send.
func (w *userChanges) take(e event) error {
	change := UserChange{Kind: ChangeKind(e.name), Cursor: e.id}
	switch change.Kind {
	case Changed:
		if err := json.Unmarshal(e.data, &change); err != nil {
			return fmt.Errorf("outset: an event that can't be understood: %w", err)
		}
	case Reset:
		change.Cursor = ""
	case CaughtUp:
	default:
		if e.name == "resume" {
			return errResume
		}
		return nil
	}
	w.cursor = change.Cursor
	if !w.yield(change, nil) {
		return errLoopLeft
	}
	return nil
}
