package client

import (
	"strconv"
	"strings"
)

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
