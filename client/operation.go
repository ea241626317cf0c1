package client

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Operation is one request, made by the functions whose names begin with Op, for [Client.Batch]. A
// write has its idempotency key from the beginning: using the same Operation twice applies it once.
type Operation struct {
	user   string // "" where it is about no single one
	method string
	path   string // percent-encoded, with the query
	header http.Header
	body   []byte
	write  bool   // it has an idempotency key; so, repeating it is safe
	answer string // the media type of a success; "": it has a version
	err    error  // why it can't be asked
}

// OpGet reads a document, see [Client.Get].
func OpGet(user string, options ...ReadOption) Operation { return read(user, "/settings", options) }

// OpGetEffective reads a document with the defaults of the schema, see [Client.GetEffective].
func OpGetEffective(user string, options ...ReadOption) Operation {
	return read(user, "/settings?effective=true", options)
}

// OpPut replaces a document, see [Client.Put].
func OpPut(user string, document json.RawMessage, options ...WriteOption) Operation {
	return write(http.MethodPut, user, "/settings", "application/json", document, options)
}

// OpPatch changes a document by a merge patch, see [Client.Patch].
func OpPatch(user string, patch json.RawMessage, options ...WriteOption) Operation {
	return write(http.MethodPatch, user, "/settings", "application/merge-patch+json", patch,
		options)
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
	return path.in(write(http.MethodPut, user, "/settings"+path.escaped(), "application/json",
		value, options))
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
	return write(http.MethodPost, user, "/history/"+strconv.FormatInt(version, 10)+"/restore", "",
		nil, options)
}

func read(user, path string, options []ReadOption) Operation {
	o := about(http.MethodGet, user, path)
	for _, option := range options {
		option(&o)
	}
	return o
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

// set sets a header, if the value can be one.
func (o *Operation) set(name, value string) {
	if err := checkHeader(name, value); err != nil {
		o.err = cmp.Or(o.err, err)
		return
	}
	o.header.Set(name, value)
}

// checkHeader returns an error for what could not be sent: net/http would take each time that it
// fails for a failure of the network.
func checkHeader(name, value string) error {
	switch {
	case name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r) }):
		return fmt.Errorf("%w: %q is no name of a header", ErrMalformed, name)
	case strings.ContainsFunc(value, func(r rune) bool {
		return r < ' ' && r != '\t' ||
			r == '\x7f'
	}):
		return fmt.Errorf("%w: the header %s has a control character", ErrMalformed, name)
	}
	return nil
}

func about(method, user, path string) Operation {
	o := Operation{
		user: user, method: method, path: "/user/" + segment(user) + path,
		header: make(http.Header),
	}
	if user == "" { // the address would be another one
		o.err = fmt.Errorf("%w: the user id is empty", ErrMalformed)
	}
	return o
}

// segment encodes a user id, a key or an index as a segment of a path. Dots, too, where something
// on the way would take them for the path's own.
func segment(token string) string {
	if token == "." || token == ".." {
		return strings.ReplaceAll(token, ".", "%2E")
	}
	return url.PathEscape(token)
}

// ReadOption changes one request that reads.
type ReadOption func(*Operation)

// WriteOption changes one request that writes.
type WriteOption func(*Operation)

// IfNoneMatch reads only if the entity tag ([Settings.ETag]) is no longer this one; else the error
// is [ErrNotModified].
func IfNoneMatch(etag string) ReadOption {
	return func(o *Operation) { o.set("If-None-Match", etag) }
}

// IfVersion writes only while this is the current version, else the error is [ErrPrecondition].
// Version 0 stands for there being no document, never saved or deleted.
func IfVersion(version int64) WriteOption {
	return func(o *Operation) { o.set("If-Match", tag(version)) }
}

// IfMatch writes only while the entity tag of the document is one of these; "*" is any document
// that is there.
func IfMatch(etags ...string) WriteOption {
	return func(o *Operation) { o.set("If-Match", strings.Join(etags, ", ")) }
}

// IfAbsent writes only if there is nothing yet: no document or, on the path of a value, no value.
func IfAbsent() WriteOption {
	return func(o *Operation) { o.set("If-None-Match", "*") }
}

// IdempotencyKey names this write instead of by a random key, so that it can be repeated even when
// the program was started anew meanwhile: the service applies it once, and answers each repetition
// within 24 hours as the first. It is visible ASCII characters and spaces, at most 255, and belongs
// to the user and to this very request.
func IdempotencyKey(key string) WriteOption {
	quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(key) + `"` // RFC 8941 section 3.3.3
	return func(o *Operation) { o.set("Idempotency-Key", quoted) }
}

// tag is the entity tag of a version.
func tag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }
