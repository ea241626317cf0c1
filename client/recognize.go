package client

import (
	"mime"
	"net/http"
	"regexp"
)

// What answers of the service are, but for documents, values and the schema, which have a version
// as their entity tag.
const (
	jsonType   = "application/json"
	linesType  = "application/x-ndjson"
	eventsType = "text/event-stream"
)

var versionTag = regexp.MustCompile(`^(W/)?"[0-9]+(-[0-9]+)?"$`)

// recognize returns an error if a success is not the service's, but for instance that of a page
// which asks for a password.
func (o *Operation) recognize(r *http.Response) error {
	if o.answer == "" {
		if versionTag.MatchString(r.Header.Get("ETag")) {
			return nil
		}
		return foreign(r.StatusCode, "no version")
	}
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil &&
		mediaType == o.answer {
		return nil
	}
	return foreign(r.StatusCode, "no "+o.answer)
}

// foreign is a success that isn't the service's. It has no kind, as other answers that come from
// elsewhere.
func foreign(status int, missing string) *Error {
	return &Error{
		Status: status, Title: http.StatusText(status),
		Detail: "the answer is not the service's: it has " + missing,
	}
}
