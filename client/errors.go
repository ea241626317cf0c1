package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The kinds of errors, for errors.Is. An [*Error] of the service may have other kinds, too.
var (
	// ErrNotFound: there is no value at this path, no such version in the history or no schema. A
	// user without settings is no error but has the document {}.
	ErrNotFound = errors.New("outset: not found")
	// ErrPrecondition: the settings are not what [IfMatch] or [IfAbsent] asks for. The
	// [*Error] has what there is instead.
	ErrPrecondition = errors.New("outset: precondition failed")
	// ErrPreconditionRequired: this service accepts no write without a precondition.
	ErrPreconditionRequired = errors.New("outset: precondition required")
	// ErrMalformed: the body is not JSON or not a patch, or a user id, a path, a header or a key is
	// impossible.
	ErrMalformed = errors.New("outset: malformed")
	// ErrInvalid: the body is JSON but not a document: not an object, too deep, a number too long.
	ErrInvalid = errors.New("outset: invalid document")
	// ErrViolation: the document would violate the schema. The [*Error] has the violations.
	ErrViolation = errors.New("outset: schema violation")
	// ErrInvalidSchema: the body is not a JSON Schema that the service accepts.
	ErrInvalidSchema = errors.New("outset: invalid schema")
	// ErrTooLarge: the body, or the document that would come of it, has too many bytes.
	ErrTooLarge = errors.New("outset: too large")
	// ErrNotApplicable: the patch or the path doesn't fit the document as it is.
	ErrNotApplicable = errors.New("outset: patch not applicable")
	// ErrKeyReused: the idempotency key was used for another request of this user.
	ErrKeyReused = errors.New("outset: idempotency key reused")
	// ErrUnauthenticated: the service wants a token, or takes this one no longer. See [WithToken].
	ErrUnauthenticated = errors.New("outset: unauthenticated")
	// ErrForbidden: the token lacks a scope, which the [*Error] names. What a user's token may not
	// do is [ErrNotFound].
	ErrForbidden = errors.New("outset: forbidden")
	// ErrRateLimited: the token has sent too many requests. The error is [ErrUnavailable], too, and
	// is retried like it.
	ErrRateLimited = errors.New("outset: rate limited")
	// ErrTooManyTokens: no more service tokens can be made until some are revoked.
	ErrTooManyTokens = errors.New("outset: too many tokens")
	// ErrUnavailable: the service is busy or can't be reached. Nothing was changed.
	ErrUnavailable = errors.New("outset: unavailable")
	// ErrOutcomeUnknown: the write may have been applied, or may be applied soon. Repeating it with
	// the same [IdempotencyKey] is safe.
	ErrOutcomeUnknown = errors.New("outset: outcome unknown")
	// ErrInternal: the service has a fault. The error of a write is [ErrOutcomeUnknown], too.
	ErrInternal = errors.New("outset: internal error")
	// ErrNotModified: there is nothing newer than what [IfNoneMatch] names.
	ErrNotModified = errors.New("outset: not modified")
	// ErrIncomplete: a stream broke off, and what came before is not all of it.
	ErrIncomplete = errors.New("outset: incomplete")
)

// The kinds that the client itself gives to errors, too: the outcome of the write is unknown, and
// nothing was changed.
const (
	kindUnknown     = "outcome-unknown"
	kindUnavailable = "unavailable"
)

const kindRateLimited = "rate-limited"

// sentinels maps the service's kinds to errors.
var sentinels = map[string]error{
	"not-found":              ErrNotFound,
	"precondition-failed":    ErrPrecondition,
	"precondition-required":  ErrPreconditionRequired,
	"malformed":              ErrMalformed,
	"invalid-document":       ErrInvalid,
	"schema-violation":       ErrViolation,
	"invalid-schema":         ErrInvalidSchema,
	"too-large":              ErrTooLarge,
	"patch-not-applicable":   ErrNotApplicable,
	"idempotency-key-reused": ErrKeyReused,
	"unauthenticated":        ErrUnauthenticated,
	"forbidden":              ErrForbidden,
	kindRateLimited:          ErrRateLimited,
	"too-many-tokens":        ErrTooManyTokens,
	"overloaded":             ErrUnavailable,
	kindUnavailable:          ErrUnavailable,
	"deadline-exceeded":      ErrUnavailable,
	kindUnknown:              ErrOutcomeUnknown,
	"internal":               ErrInternal,
}

// Error is an answer that is no success: a problem as RFC 9457 defines it, if it is the service's.
type Error struct {
	// Status is that of HTTP.
	Status int
	// Kind is the service's name of the problem, such as "precondition-failed". It is "" if the
	// answer is not the service's but, for instance, that of a gateway.
	Kind string
	// Title is the same for all errors of one kind, Detail says what is wrong with this request and
	// may be empty.
	Title, Detail string
	// RequestID names the request in the logs of the service.
	RequestID string

	// Version and Settings are what there is instead, with [ErrPrecondition]. The version is 0 if
	// the user never saved; the settings are nil if there is no document, and on reads.
	Version  int64
	Settings json.RawMessage

	// Violations come with [ErrViolation]: at most 32, and ViolationsOmitted if there are more.
	Violations        []Violation
	ViolationsOmitted bool

	// RetryAfter is how long the service asks to be left alone; 0 if it doesn't say.
	RetryAfter time.Duration
}

// Violation is one thing in a document that the schema forbids.
type Violation struct {
	// Pointer is where it is, a JSON pointer (RFC 6901); "" is the whole document.
	Pointer string `json:"pointer"`
	Reason  string `json:"reason"`
}

// Error returns one line, violations included.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("outset: " + e.text())
	for _, v := range e.Violations {
		fmt.Fprintf(&b, "; %q: %s", v.Pointer, v.Reason)
	}
	if e.RequestID != "" {
		b.WriteString(" (request " + e.RequestID + ")")
	}
	return b.String()
}

// text returns the kind and what is wrong.
func (e *Error) text() string {
	kind := strings.ReplaceAll(e.Kind, "-", " ")
	if kind == "" {
		kind = fmt.Sprintf("HTTP status %d", e.Status)
	}
	switch {
	case strings.HasPrefix(e.Detail, kind+":"): // as many details do
		return e.Detail
	case e.Detail != "":
		return kind + ": " + e.Detail
	case e.Title != "":
		return kind + ": " + e.Title
	}
	return kind
}

// Is tells whether the error is of the kind of target, one of the errors of this package.
func (e *Error) Is(target error) bool {
	if e.Kind == kindRateLimited && target == ErrUnavailable {
		return true
	}
	return target != nil && sentinels[e.Kind] == target
}

// problem is an Error as the service writes it.
type problem struct {
	Kind       string          `json:"kind"`
	Title      string          `json:"title"`
	Status     int             `json:"status"`
	Detail     string          `json:"detail"`
	RequestID  string          `json:"requestId"`
	Version    int64           `json:"version"`
	Settings   json.RawMessage `json:"settings"`
	Violations []Violation     `json:"violations"`
	Omitted    bool            `json:"violationsOmitted"`
}

func (p *problem) error() *Error {
	return &Error{
		Status: p.Status, Kind: p.Kind, Title: p.Title,
		Detail: p.Detail, RequestID: p.RequestID,
		Version: p.Version, Settings: p.Settings, Violations: p.Violations,
		ViolationsOmitted: p.Omitted,
	}
}

// errorOf makes an Error of an answer that is no success.
func errorOf(status int, header http.Header, body []byte) *Error {
	var p problem
	mediaType, _, _ := mime.ParseMediaType(header.Get("Content-Type")) // "" if it is malformed
	if mediaType != "application/problem+json" || json.Unmarshal(body, &p) != nil {
		p = problem{Title: http.StatusText(status)} // not the service's
		if to := header.Get("Location"); to != "" {
			p.Detail = p.Title + ", to " + to
		}
	}
	e := p.error()
	e.Status = status
	if e.RequestID == "" {
		e.RequestID = header.Get("X-Request-Id")
	}
	e.RetryAfter = parseRetryAfter(header.Get("Retry-After"))
	return e
}

// parseRetryAfter reads the header of RFC 9110 section 10.2.3: seconds or a date.
func parseRetryAfter(value string) time.Duration {
	if seconds, err := strconv.Atoi(value); err == nil {
		return max(0, time.Duration(seconds)*time.Second)
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(date))
	}
	return 0
}

// causedError is an error of a kind of this package with its cause. Its text names the package
// once.
type causedError struct {
	kind   error
	detail string
	cause  error
}

func caused(kind error, detail string, cause error) error {
	return &causedError{kind, detail, cause}
}

func (c *causedError) Error() string {
	return c.kind.Error() + c.detail + ": " + strings.TrimPrefix(c.cause.Error(), "outset: ")
}

func (c *causedError) Unwrap() []error { return []error{c.kind, c.cause} }
