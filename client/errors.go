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

// What errors.Is tells apart. Other failures of the service are an [*Error] with another Kind.
var (
	// ErrNotFound: no value at this path, no such version in the history, no schema. A user without
	// settings is no error: the document is {} then.
	ErrNotFound = errors.New("outset: not found")
	// ErrPrecondition: the settings are not what [IfVersion] or its like asks for; the [*Error] has
	// what there is.
	ErrPrecondition = errors.New("outset: precondition failed")
	// ErrPreconditionRequired: this service takes no write without a precondition.
	ErrPreconditionRequired = errors.New("outset: precondition required")
	// ErrMalformed: not JSON, no patch, an impossible user id, path or key.
	ErrMalformed = errors.New("outset: malformed")
	// ErrInvalid: JSON, but no settings document (no object, too deep, a number too long).
	ErrInvalid = errors.New("outset: invalid document")
	// ErrViolation: the document would not be as the schema wants it; the [*Error] has the
	// violations.
	ErrViolation = errors.New("outset: schema violation")
	// ErrInvalidSchema: no JSON Schema that the service takes.
	ErrInvalidSchema = errors.New("outset: invalid schema")
	// ErrTooLarge: the body, or what would come of it, has too many bytes.
	ErrTooLarge = errors.New("outset: too large")
	// ErrNotApplicable: the patch or the path doesn't fit the document as it is.
	ErrNotApplicable = errors.New("outset: patch not applicable")
	// ErrKeyReused: the user's idempotency key was used for another request.
	ErrKeyReused = errors.New("outset: idempotency key reused")
	// ErrUnavailable: the service is busy, or can't be reached. Certainly nothing was changed.
	ErrUnavailable = errors.New("outset: unavailable")
	// ErrOutcomeUnknown: the write may have been applied, or may be applied soon. Repeating it with
	// the same [IdempotencyKey] is safe.
	ErrOutcomeUnknown = errors.New("outset: outcome unknown")
	// ErrInternal: a fault of the service. Of a write the error is [ErrOutcomeUnknown], too.
	ErrInternal = errors.New("outset: internal error")
	// ErrNotModified: there is nothing newer than what [IfNoneMatch] names.
	ErrNotModified = errors.New("outset: not modified")
	// ErrIncomplete: a stream ended before its end, so that what came is not all.
	ErrIncomplete = errors.New("outset: incomplete")
)

// kindUnknown is the kind of failures that leave open what became of the write, kindUnavailable of
// those that don't.
const (
	kindUnknown     = "outcome-unknown"
	kindUnavailable = "unavailable"
)

// sentinels has the error that each kind of the service is.
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
	"overloaded":             ErrUnavailable,
	kindUnavailable:          ErrUnavailable,
	"deadline-exceeded":      ErrUnavailable,
	kindUnknown:              ErrOutcomeUnknown,
	"internal":               ErrInternal,
}

// Error is an answer of the service that says no: a problem in the sense of RFC 9457.
type Error struct {
	Status int // of HTTP
	// what the service calls it, such as "precondition-failed"; "" if the answer isn't the service's, whatever its status
	Kind      string
	Title     string // the same for each of its kind
	Detail    string // what is wrong with this request; may be empty
	RequestID string // names the request in the service's logs

	// With ErrPrecondition: what there is. Version 0 means that the user never saved. Settings is
	// nil where there is no document, and on reads.
	Version  int64
	Settings json.RawMessage

	Violations        []Violation   // with ErrViolation: at most 32
	ViolationsOmitted bool          // there were more
	RetryAfter        time.Duration // the service asks not to come back before; 0: it doesn't say
}

// Violation is one thing that is wrong with a document.
type Violation struct {
	Pointer string `json:"pointer"` // where, as RFC 6901 has it; "" is the whole document
	Reason  string `json:"reason"`
}

// Error is one line, violations included.
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

// text is the kind and what is wrong.
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

// Is tells whether the kind is that of one of the errors of this package.
func (e *Error) Is(target error) bool { return target != nil && sentinels[e.Kind] == target }

// problem is an Error as the service spells it.
type problem struct {
	Type       string          `json:"type"`
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
		Status: p.Status, Kind: strings.TrimPrefix(p.Type, "/problems/"), Title: p.Title,
		Detail: p.Detail, RequestID: p.RequestID,
		Version: p.Version, Settings: p.Settings, Violations: p.Violations,
		ViolationsOmitted: p.Omitted,
	}
}

// errorOf makes an Error of an answer that is none that was hoped for.
func errorOf(status int, header http.Header, body []byte) *Error {
	var p problem
	// "" where that can't be read
	mediaType, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	if mediaType != "application/problem+json" || json.Unmarshal(body, &p) != nil {
		p = problem{Title: http.StatusText(status)} // of something on the way
		if to := header.Get("Location"); to != "" {
			p.Detail = p.Title + ", to " + to
		}
	}
	e := p.error()
	e.Status = status
	if e.RequestID == "" {
		e.RequestID = header.Get("X-Request-Id")
	}
	e.RetryAfter = retryAfter(header.Get("Retry-After"))
	return e
}

// retryAfter reads the header of RFC 9110 section 10.2.3: seconds or a date.
func retryAfter(value string) time.Duration {
	if seconds, err := strconv.Atoi(value); err == nil {
		return max(0, time.Duration(seconds)*time.Second)
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(date))
	}
	return 0
}
