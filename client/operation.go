package client

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Operation is one request, made by the functions whose names begin with Op, for [Client.Batch]. A write has its
// idempotency key from the beginning: using the same Operation twice applies it once.
type Operation struct {
	user   string // "" where it is about no single one
	method string
	path   string // percent-encoded, with the query
	header http.Header
	body   []byte
	write  bool  // it has an idempotency key; so, repeating it is safe
	err    error // why it can't be asked

	effective bool // with defaults, which only whole documents have
}

// OpGet reads a document, see [Client.Get].
func OpGet(user string, options ...ReadOption) Operation {
	o := about(http.MethodGet, user, "/settings")
	for _, option := range options {
		option(&o)
	}
	if o.effective {
		o.path += "?effective=true"
	}
	return o
}

// OpPut replaces a document, see [Client.Put].
func OpPut(user string, document json.RawMessage, options ...WriteOption) Operation {
	return write(http.MethodPut, user, "/settings", "application/json", document, options)
}

// OpPatch changes a document by a merge patch, see [Client.Patch].
func OpPatch(user string, patch json.RawMessage, options ...WriteOption) Operation {
	return write(http.MethodPatch, user, "/settings", "application/merge-patch+json", patch, options)
}

// OpPatchJSON changes a document by a JSON patch, see [Client.PatchJSON].
func OpPatchJSON(user string, patch json.RawMessage, options ...WriteOption) Operation {
	return write(http.MethodPatch, user, "/settings", "application/json-patch+json", patch, options)
}

// OpDelete removes a document, see [Client.Delete].
func OpDelete(user string, options ...WriteOption) Operation {
	return write(http.MethodDelete, user, "/settings", "", nil, options)
}

// OpErase erases a user, see [Client.Erase].
func OpErase(user string, options ...WriteOption) Operation {
	return write(http.MethodDelete, user, "", "", nil, options)
}

// OpValue reads one value, see [Client.Value].
func OpValue(user string, path Path, options ...ReadOption) Operation {
	return path.in(read(user, "/settings"+path.escaped(), options))
}

// OpSetValue sets one value, see [Client.SetValue].
func OpSetValue(user string, path Path, value json.RawMessage, options ...WriteOption) Operation {
	return path.in(write(http.MethodPut, user, "/settings"+path.escaped(), "application/json", value, options))
}

// OpDeleteValue removes one value, see [Client.DeleteValue].
func OpDeleteValue(user string, path Path, options ...WriteOption) Operation {
	return path.in(write(http.MethodDelete, user, "/settings"+path.escaped(), "", nil, options))
}

// OpAt reads a document as it was, see [Client.At].
func OpAt(user string, version int64, options ...ReadOption) Operation {
	return read(user, "/history/"+strconv.FormatInt(version, 10), options)
}

// OpRestore makes an old version current, see [Client.Restore].
func OpRestore(user string, version int64, options ...WriteOption) Operation {
	return write(http.MethodPost, user, "/history/"+strconv.FormatInt(version, 10)+"/restore", "", nil, options)
}

func read(user, path string, options []ReadOption) Operation {
	o := about(http.MethodGet, user, path)
	o.readWith(options)
	return o
}

// readWith applies options to what has no defaults.
func (o *Operation) readWith(options []ReadOption) {
	for _, option := range options {
		option(o)
	}
	if o.effective && o.err == nil {
		o.err = fmt.Errorf("%w: only a whole document can be had with the defaults of the schema", ErrMalformed)
	}
}

func write(method, user, path, mediaType string, body []byte, options []WriteOption) Operation {
	o := about(method, user, path)
	o.take(mediaType, body, options)
	return o
}

// take makes a write of an operation.
func (o *Operation) take(mediaType string, body []byte, options []WriteOption) {
	o.write, o.body = true, body
	if mediaType != "" {
		o.header.Set("Content-Type", mediaType)
	}
	IdempotencyKey(rand.Text())(o)
	for _, option := range options {
		option(o)
	}
}

func about(method, user, path string) Operation {
	o := Operation{user: user, method: method, path: "/user/" + segment(user) + path, header: make(http.Header)}
	if user == "" { // the address would be another one
		o.err = fmt.Errorf("%w: the user id is empty", ErrMalformed)
	}
	return o
}

// segment encodes a user id, a key or an index as a segment of a path. Dots, too, where something on the way
// would take them for the path's own.
func segment(token string) string {
	if token == "." || token == ".." {
		return strings.ReplaceAll(token, ".", "%2E")
	}
	return url.PathEscape(token)
}
