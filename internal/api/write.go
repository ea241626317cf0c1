package api

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dunglas/httpsfv"
	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"github.com/outset-settings/outset/pkg/messages"
)

// The headers that fiber has no names for.
const (
	headerIdempotencyKey      = "Idempotency-Key"
	headerIdempotencyReplayed = "Idempotency-Replayed"
	headerPrefer              = "Prefer"             // RFC 7240
	headerPreferenceApplied   = "Preference-Applied" // RFC 7240
	headerAcceptPatch         = "Accept-Patch"       // RFC 5789
)

const preconditionWanted = "send If-Match with the ETag that you have read, or " +
	"If-None-Match: * for a document that doesn't exist yet"

// answerer answers a user's write that was applied.
type answerer func(c *fiber.Ctx, user string, r *messages.Result) error

// write applies an operation to the user in the path, and calls answer if that succeeds.
func (s *Server) write(c *fiber.Ctx, o messages.Operation, answer answerer) error {
	user, err := userOf(c)
	if err != nil {
		return err
	}
	return s.writeOf(c, user, o, answer)
}

// writeOf does the same for a user, or for the schema with user "". Every write of a single request
// comes through here, so preconditions, idempotency keys and preferences are the same for all.
func (s *Server) writeOf(c *fiber.Ctx, user string, o messages.Operation, answer answerer) error {
	condition, err := conditionOf(c, messages.ParseTag)
	if err != nil {
		return err
	}
	if s.config.RequirePrecondition && !protects(condition, time.Now()) {
		detail := preconditionWanted
		if condition != nil {
			detail += "; a date counts once its second is over"
		}
		return problem{kind: kindPreconditionRequired, detail: detail}
	}
	key, err := idempotencyKey(c)
	if err != nil {
		return err
	}
	o.User, o.If, o.ID, o.Keyed = user, condition, key, key != ""
	o.Actor = actorOf(identityOf(c))
	o.RequestID, o.Principal, o.Trace = requestID(c), s.share(c), s.trace(c)
	o.Issued, o.Deadline = s.queue.Now().UnixMicro(), s.deadline(c)
	if key != "" { // an id that we make is never used for another request
		o.Fingerprint = fingerprint(c, user, &o)
	}
	o.Quiet = preference(c) == minimal
	if key == "" {
		if o.ID, err = newOperationID(); err != nil {
			return err
		}
	}
	r := s.queue.Write(&o)
	switch r.Kind {
	case "":
		if r.Replayed && key != "" {
			c.Set(headerIdempotencyReplayed, "true")
		}
		setState(c, &o, &r)
		return answer(c, user, &r)
	case messages.KindPrecondition:
		setState(c, &o, &r)
		if !ofSchema(&o) && !mayRead(identityOf(c)) {
			r.Document = nil
		}
		if ofSchema(&o) && r.Absent { // {} stands for an absent document, not for an absent schema
			r.Document = nil
		}
		return problem{kind: r.Kind, detail: missed(c, &o, &r), current: &r, ofSchema: ofSchema(&o)}
	case messages.KindIDReused:
		whose := "of this user"
		if ofSchema(&o) {
			whose = "about the schema"
		}
		return problem{
			kind: r.Kind, detail: "this Idempotency-Key was used for another request " + whose,
		}
	default:
		return problem{
			kind: r.Kind, detail: r.Detail, violations: r.Violations, more: r.MoreViolations,
		}
	}
}

// protects tells whether a condition keeps a writer from losing what another wrote. A date does so
// if it was the whole second before: until then it may name two versions (RFC 9110 section
// 8.8.2.2).
func protects(c *messages.Condition, now time.Time) bool {
	return c != nil && (c.Match != nil || c.NoneMatch != nil ||
		c.UnmodifiedSince != 0 && c.UnmodifiedSince < now.Unix())
}

// newOperationID returns an id that no other operation has. Later ones are greater, so that the
// log's index grows at its end.
func newOperationID() (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("making an operation id: %w", err)
	}
	return id.String(), nil
}

// fingerprint distinguishes a request from any other with the same idempotency key: a hash of
// method, path, preconditions and body. Preferences about the answer (Prefer) are no part of it.
func fingerprint(c *fiber.Ctx, user string, o *messages.Operation) []byte {
	h := sha256.New()
	// Quoted, so that different values never look the same.
	_, _ = fmt.Fprintf(h, "%s %q %d %q %d\n", c.Method(), user, o.Action, o.Path, o.Version)
	for _, header := range []string{
		fiber.HeaderIfMatch, fiber.HeaderIfNoneMatch, fiber.HeaderIfUnmodifiedSince,
	} {
		_, _ = fmt.Fprintf(h, "%q\n", c.Request().Header.PeekAll(header))
	}
	h.Write(o.Document)
	return h.Sum(nil)
}

// idempotencyKey returns the client's idempotency key, or "" without one
// (draft-ietf-httpapi-idempotency-key-header). The draft wants a quoted string (RFC 8941). Many
// clients send the bare characters, which are not ambiguous and accepted, too.
func idempotencyKey(c *fiber.Ctx) (string, error) {
	lines := c.Request().Header.PeekAll(headerIdempotencyKey)
	if len(lines) == 0 {
		return "", nil
	}
	key, err := parseKey(string(lines[0]))
	if err == nil && len(lines) > 1 {
		err = errors.New("it occurs more than once")
	}
	if err != nil {
		return "", problem{
			kind: messages.KindMalformed, detail: headerIdempotencyKey + ": " + err.Error(),
		}
	}
	return key, nil
}

var errNotString = errors.New("it is not a string as in RFC 8941: visible ASCII characters and " +
	"spaces, in quotes")

func parseKey(value string) (string, error) {
	key := value
	if strings.HasPrefix(value, `"`) {
		item, err := httpsfv.UnmarshalItem([]string{value})
		if err != nil {
			return "", errNotString
		}
		var ok bool
		if key, ok = item.Value.(string); !ok {
			return "", errNotString
		}
	} else if strings.ContainsFunc(value, notInBareKey) {
		return "", errors.New("without quotes it may have visible ASCII characters only")
	}
	switch {
	case key == "":
		return "", errors.New("it is empty")
	case len(key) > messages.MaxID:
		return "", fmt.Errorf("it has more than %d characters", messages.MaxID)
	}
	return key, nil
}

func notInBareKey(r rune) bool { return r <= ' ' || r > '~' || r == '"' }

// The values of the preference "return" (RFC 7240 section 4.2).
const (
	minimal        = "minimal"
	representation = "representation"
)

// preference returns the first known value of "return" among the client's preferences, or "".
func preference(c *fiber.Ctx) string {
	for _, line := range c.Request().Header.PeekAll(headerPrefer) {
		for _, wish := range splitOutsideQuotes(string(line)) {
			wish, _, _ = strings.Cut(wish, ";")
			name, value, _ := strings.Cut(wish, "=")
			value = strings.Trim(strings.TrimSpace(value), `"`)
			if strings.EqualFold(strings.TrimSpace(name), "return") &&
				(value == minimal || value == representation) {
				return value
			}
		}
	}
	return ""
}

// splitOutsideQuotes splits a list at its commas, except those in quoted strings.
func splitOutsideQuotes(list string) []string {
	quoted, escaped := false, false
	return strings.FieldsFunc(list, func(r rune) bool {
		switch {
		case escaped:
			escaped = false
		case r == '\\':
			escaped = quoted
		case r == '"':
			quoted = !quoted
		}
		return r == ',' && !quoted
	})
}

// appliedPreference is the preference, which the answer says is heeded.
func appliedPreference(c *fiber.Ctx) string {
	wish := preference(c)
	if wish != "" {
		c.Set(headerPreferenceApplied, "return="+wish)
	}
	return wish
}

// send answers a write with a body, unless the client prefers a minimal answer.
func send(c *fiber.Ctx, body []byte) error {
	if appliedPreference(c) == minimal {
		if c.Response().StatusCode() == fiber.StatusOK {
			c.Status(fiber.StatusNoContent)
		}
		return nil
	}
	c.Context().SetContentType(fiber.MIMEApplicationJSON)
	c.Response().SetBodyRaw(body)
	return nil
}

// done answers a write that has no body to send, such as a deletion.
func done(c *fiber.Ctx, _ string, _ *messages.Result) error {
	c.Status(fiber.StatusNoContent)
	return nil
}

// sendDocument answers with the document that the worker returned. To a repetition it may have none
// any more.
func sendDocument(c *fiber.Ctx, user string, r *messages.Result) error {
	if r.Document == nil && r.Replayed && preference(c) != minimal {
		return done(c, user, r)
	}
	return send(c, r.Document)
}
