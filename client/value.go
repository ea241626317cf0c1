package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Value is one value inside a user's document.
type Value struct {
	// JSON is the value as it is spelt in the document; nil after a deletion.
	JSON json.RawMessage
	// Path is where the value is. After a value was appended with "-" it has the index instead.
	Path Path
	// Created tells that SetValue found no value there.
	Created bool
	// Version, ETag and Modified (in whole seconds) are those of the document.
	Version  int64
	ETag     string // of the document, for [IfMatch]
	Modified time.Time
	// Replayed tells of a write that an earlier one with the same [IdempotencyKey] had applied.
	Replayed bool
}

// Value returns the value at a path, or [ErrNotFound].
func (c *Client) Value(
	ctx context.Context, user string, path Path, options ...ReadOption,
) (Value, error) {
	return c.value(ctx, OpValue(user, path, options...), path)
}

// SetValue sets the value at a path. It makes the parents that are missing: objects, or an array
// before "-".
func (c *Client) SetValue(
	ctx context.Context, user string, path Path, value json.RawMessage, options ...WriteOption,
) (Value, error) {
	return c.value(ctx, OpSetValue(user, path, value, options...), path)
}

// DeleteValue removes the value at a path, or returns [ErrNotFound].
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
		Version: s.Version, ETag: s.ETag, Modified: s.Modified, Replayed: s.Replayed,
	}
	if location := a.header.Get("Location"); location != "" {
		u, err := c.resolve(&o, location)
		if err != nil {
			return Value{}, err
		}
		v.Path = lastSegments(u.EscapedPath(), len(path))
	}
	return v, nil
}

// Path leads to a value inside a document. Each element is the key of an object or the index in an
// array; "-" stands for the index after the last one.
type Path []string

// ParsePath reads a JSON pointer (RFC 6901), whose first slash may be left out: "editor/font/size".
// A slash inside a key is written ~1 and a tilde ~0. The pointer to the whole document, "", gives
// an empty path, which leads to no value. The error is [ErrMalformed].
func ParsePath(pointer string) (Path, error) {
	if pointer == "" {
		return nil, nil
	}
	p := Path(strings.Split(strings.TrimPrefix(pointer, "/"), "/"))
	for i, token := range p {
		if strings.Contains(strings.NewReplacer("~0", "", "~1", "").Replace(token), "~") {
			return nil, fmt.Errorf("%w: in the path %q a tilde is followed by neither 0 nor 1",
				ErrMalformed, pointer)
		}
		p[i] = strings.NewReplacer("~0", "~", "~1", "/").Replace(token)
	}
	return p, nil
}

// String returns the path as a JSON pointer.
func (p Path) String() string {
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	var b strings.Builder
	for _, token := range p {
		b.WriteString("/" + escape.Replace(token))
	}
	return b.String()
}

// escaped returns the path as a part of a URL.
func (p Path) escaped() string {
	var b strings.Builder
	for _, token := range p {
		b.WriteString("/" + escapeSegment(token))
	}
	return b.String()
}

// lastSegments returns the last segments of a URL.
func lastSegments(location string, n int) Path {
	segments := strings.Split(location, "/")
	path := make(Path, 0, n)
	for _, segment := range segments[max(0, len(segments)-n):] {
		token, err := url.PathUnescape(segment)
		if err != nil { // not written by the service
			token = segment
		}
		path = append(path, token)
	}
	return path
}
