package client

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Operation is one request for [Client.Batch]. The functions whose names begin with Op make it. A
// write gets its idempotency key there: sending the same Operation twice applies it once.
type Operation struct {
	user   string // "" if it is not about a single user
	method string
	path   string // percent-encoded, with the query
	header http.Header
	body   []byte
	write  bool   // repeating it is safe: nearly always it has an idempotency key
	once   bool   // but this one must not be repeated once it may have been carried out
	answer string // the media type of a success; "" if it has a version instead
	err    error  // why it can't be sent
}

// OpGet reads a document, see [Client.Get].
func OpGet(user string, options ...ReadOption) Operation { return read(user, "/settings", options) }

// OpGetEffective reads a document with the defaults of the schema, see [Client.GetEffective].
func OpGetEffective(user string, options ...ReadOption) Operation {
	return read(user, "/settings?effective=true", options)
}

// OpPut replaces a document, see [Client.Put].
func OpPut(user string, document json.RawMessage, options ...WriteOption) Operation {
	return write(http.MethodPut, user, "/settings", jsonType, document, options)
}

// OpPatch changes a document by a merge patch, see [Client.Patch].
func OpPatch(user string, patch json.RawMessage, options ...WriteOption) Operation {
	const mergePatch = "application/merge-patch+json"
	return write(http.MethodPatch, user, "/settings", mergePatch, patch, options)
}

// OpPatchJSON changes a document by a JSON Patch, see [Client.PatchJSON].
func OpPatchJSON(user string, patch json.RawMessage, options ...WriteOption) Operation {
	const jsonPatch = "application/json-patch+json"
	return write(http.MethodPatch, user, "/settings", jsonPatch, patch, options)
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
	return atValue(path, read(user, "/settings"+path.escaped(), options))
}

// OpSetValue sets one value, see [Client.SetValue].
func OpSetValue(user string, path Path, value json.RawMessage, options ...WriteOption) Operation {
	return atValue(path,
		write(http.MethodPut, user, "/settings"+path.escaped(), jsonType, value, options))
}

// OpDeleteValue removes one value, see [Client.DeleteValue].
func OpDeleteValue(user string, path Path, options ...WriteOption) Operation {
	return atValue(path,
		write(http.MethodDelete, user, "/settings"+path.escaped(), "", nil, options))
}

// OpAt reads a document as it was at a version, see [Client.At].
func OpAt(user string, version int64, options ...ReadOption) Operation {
	return read(user, versionPath(version), options)
}

// OpRestore makes an old version current again, see [Client.Restore].
func OpRestore(user string, version int64, options ...WriteOption) Operation {
	return write(http.MethodPost, user, versionPath(version)+"/restore", "", nil, options)
}

func versionPath(version int64) string { return "/history/" + strconv.FormatInt(version, 10) }

// atValue refuses an operation on a value whose path is empty: its URL would be that of the whole
// document.
func atValue(path Path, o Operation) Operation {
	if len(path) == 0 && o.err == nil {
		o.err = fmt.Errorf("%w: the path is empty", ErrMalformed)
	}
	return o
}

func read(user, path string, options []ReadOption) Operation {
	o := userOperation(http.MethodGet, user, path)
	for _, option := range options {
		option(&o)
	}
	return o
}

func write(method, user, path, mediaType string, body []byte, options []WriteOption) Operation {
	o := userOperation(method, user, path)
	o.makeWrite(mediaType, body, options)
	return o
}

func userOperation(method, user, path string) Operation {
	o := Operation{
		user: user, method: method, path: "/user/" + escapeSegment(user) + path,
		header: make(http.Header),
	}
	if user == "" { // the URL would be another one
		o.err = fmt.Errorf("%w: the user id is empty", ErrMalformed)
	}
	return o
}

// makeWrite gives the operation a body and a random idempotency key.
func (o *Operation) makeWrite(mediaType string, body []byte, options []WriteOption) {
	o.write, o.body = true, body
	if mediaType != "" {
		o.header.Set("Content-Type", mediaType)
	}
	IdempotencyKey(rand.Text())(o)
	for _, option := range options {
		option(o)
	}
}

// ReadOption changes one request that reads.
type ReadOption func(*Operation)

// WriteOption changes one request that writes.
type WriteOption func(*Operation)

// IfNoneMatch reads only if the entity tag is no longer this one ([Settings.ETag]), else the error
// is [ErrNotModified].
func IfNoneMatch(etag string) ReadOption {
	return func(o *Operation) { o.setHeader("If-None-Match", etag) }
}

// IfMatch writes only if the entity tag of the document ([Settings.ETag]) is one of these, else the
// error is [ErrPrecondition]. "*" stands for any document, and "0" in quotes, the tag of a user who
// never saved, also for one that was deleted.
func IfMatch(etags ...string) WriteOption {
	return func(o *Operation) { o.setHeader("If-Match", strings.Join(etags, ", ")) }
}

// IfAbsent writes only if there is no document or, for the path of a value, no value; else the
// error is [ErrPrecondition].
func IfAbsent() WriteOption {
	return func(o *Operation) { o.setHeader("If-None-Match", "*") }
}

// IdempotencyKey replaces the random idempotency key of a write, so that the write can be repeated
// even after a restart of the program. For 24 hours the service answers each repetition as the
// first, and applies none. The key has at most 255 visible ASCII characters and spaces. It belongs
// to the user and to this very request.
func IdempotencyKey(key string) WriteOption {
	// RFC 8941 section 3.3.3
	quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(key) + `"`
	return func(o *Operation) { o.setHeader("Idempotency-Key", quoted) }
}

// setHeader sets a header, or the error of the operation if the value can't be sent.
func (o *Operation) setHeader(name, value string) {
	if err := checkHeader(name, value); err != nil {
		o.err = cmp.Or(o.err, err)
		return
	}
	o.header.Set(name, value)
}

// checkHeader returns an error for a header that net/http would refuse to send. It is checked
// before, because that error looks like one of the network, and would be retried.
func checkHeader(name, value string) error {
	notInName := func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	}
	notInValue := func(r rune) bool { return r < ' ' && r != '\t' || r == '\x7f' }
	switch {
	case name == "" || strings.ContainsFunc(name, notInName):
		return fmt.Errorf("%w: %q is not the name of a header", ErrMalformed, name)
	case slices.Contains(ofTheConnection, http.CanonicalHeaderKey(name)):
		return fmt.Errorf("%w: the header %s is set by the client itself", ErrMalformed, name)
	case strings.ContainsFunc(value, notInValue):
		return fmt.Errorf("%w: the header %s has a control character", ErrMalformed, name)
	}
	return nil
}

// ofTheConnection are the headers that net/http sets, and would leave out silently.
var ofTheConnection = []string{"Content-Length", "Transfer-Encoding", "Trailer"}

// escapeSegment encodes a user id, a key or an index as a segment of a URL. It encodes the dots of
// "." and "..", too, which proxies would take for steps in the path.
func escapeSegment(token string) string {
	if token == "." || token == ".." {
		return strings.ReplaceAll(token, ".", "%2E")
	}
	return url.PathEscape(token)
}
