package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Value is one value inside a user's document.
type Value struct {
	JSON     json.RawMessage // as it is spelt in the document; nil after it was deleted
	Path     Path            // where it is: after it was appended with "-", its index
	Created  bool            // there was none before
	Version  int64           // of the document
	Modified time.Time       // the document, in whole seconds
	Replayed bool            // a write with this [IdempotencyKey] had been applied before
}

// Value returns the value at a path, or [ErrNotFound].
func (c *Client) Value(
	ctx context.Context, user string, path Path, options ...ReadOption,
) (Value, error) {
	return c.value(ctx, OpValue(user, path, options...), path)
}

// SetValue puts a value at a path of the document. It makes parents that are missing: objects, or
// before "-" an array.
func (c *Client) SetValue(
	ctx context.Context, user string, path Path, value json.RawMessage, options ...WriteOption,
) (Value, error) {
	return c.value(ctx, OpSetValue(user, path, value, options...), path)
}

// DeleteValue removes the value at a path of the document, or returns [ErrNotFound].
func (c *Client) DeleteValue(
	ctx context.Context, user string, path Path, options ...WriteOption,
) (Value, error) {
	return c.value(ctx, OpDeleteValue(user, path, options...), path)
}

func (c *Client) value(ctx context.Context, o Operation, path Path) (Value, error) {
	a, err := c.do(ctx, &o)
	if err != nil {
		return Value{}, err
	}
	s := a.settings(o.user)
	v := Value{
		JSON: s.Document, Path: path, Created: a.status == http.StatusCreated,
		Version: s.Version, Modified: s.Modified, Replayed: s.Replayed,
	}
	if location := a.header.Get("Location"); location != "" {
		v.Path = pathOf(location, len(path))
	}
	return v, nil
}

// pathOf returns the last segments of an address.
func pathOf(location string, length int) Path {
	all := strings.Split(location, "/")
	path := make(Path, 0, length)
	for _, segment := range all[max(0, len(all)-length):] {
		token, err := url.PathUnescape(segment)
		if err != nil { // no address of ours
			token = segment
		}
		path = append(path, token)
	}
	return path
}
