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

// Path is the way to a value inside a document: the key of an object or the index in an array,
// level by level. Behind the last element of an array is "-".
type Path []string

// ParsePath reads a JSON pointer (RFC 6901), whose first slash may be left out: "editor/font/size".
// A slash in a key is spelt ~1 and a tilde ~0. "" is the whole document, which is no path to a
// value.
func ParsePath(pointer string) (Path, error) {
	if pointer == "" {
		return nil, nil
	}
	p := Path(strings.Split(strings.TrimPrefix(pointer, "/"), "/"))
	for i, token := range p {
		if rest := strings.NewReplacer("~0", "", "~1", "").Replace(token); strings.Contains(rest,
			"~") {
			return nil, fmt.Errorf("%w: in the path %q a tilde is followed by neither 0 nor 1",
				ErrMalformed, pointer)
		}
		p[i] = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
	}
	return p, nil
}

// String is the path as a JSON pointer.
func (p Path) String() string {
	var b strings.Builder
	for _, token := range p {
		b.WriteString("/" + strings.ReplaceAll(strings.ReplaceAll(token, "~", "~0"), "/", "~1"))
	}
	return b.String()
}

// escaped is the path as a part of an address.
func (p Path) escaped() string {
	var b strings.Builder
	for _, token := range p {
		b.WriteString("/" + segment(token))
	}
	return b.String()
}

// in refuses an operation on the value at no path at all: its address is that of the whole
// document.
func (p Path) in(o Operation) Operation {
	if len(p) == 0 && o.err == nil {
		o.err = fmt.Errorf("%w: the path is empty", ErrMalformed)
	}
	return o
}
