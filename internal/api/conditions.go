package api

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/utils"
	"github.com/valyala/fasthttp"

	"github.com/outset-settings/outset/internal/settings"
	"github.com/outset-settings/outset/pkg/messages"
)

// The preconditions of RFC 9110 section 13. Our entity tags are versions in quotes, see tagOf. Any
// other tag never matches.

// conditionOf returns the preconditions of the request, or nil if it has none. version returns the
// version that a tag stands for, if any.
func conditionOf(c *fiber.Ctx, version func(tag string) (int64, bool)) (*messages.Condition,
	error,
) {
	if !conditional(c) {
		return nil, nil //nolint:nilnil // no condition is no error
	}
	match, err := tagsOf(c, fiber.HeaderIfMatch, strong, version)
	if err != nil {
		return nil, err
	}
	noneMatch, err := tagsOf(c, fiber.HeaderIfNoneMatch, weak, version)
	if err != nil {
		return nil, err
	}
	condition := messages.Condition{Match: match, NoneMatch: noneMatch}
	if since := dateOf(c, fiber.HeaderIfUnmodifiedSince); match == nil && !since.IsZero() {
		condition.UnmodifiedSince = max(since.Unix(), 1) // 0 stands for no condition
	}
	if condition == (messages.Condition{}) {
		return nil, nil //nolint:nilnil // no condition is no error
	}
	return &condition, nil
}

// conditional tells whether the request has any precondition.
func conditional(c *fiber.Ctx) bool {
	// one pass over the headers instead of one for each precondition
	for name := range c.Request().Header.All() {
		if bytes.HasPrefix(name, []byte("If-")) {
			return true
		}
	}
	return false
}

// checkRead evaluates the preconditions of a read in the order of RFC 9110 section 13.2.2. It
// returns 0 if the result is to be sent, else the status of the answer.
//
// The rules are those of settings.Condition. Only the current tag stands for a version here, so "0"
// is the tag of a user who never saved anything, and not of every document that is absent.
func checkRead(c *fiber.Ctx, o *messages.Operation, r *messages.Result) (status int, err error) {
	current := tagOf(o, r)
	condition, err := conditionOf(c, func(tag string) (int64, bool) {
		return r.Version, tag == current
	})
	if err != nil {
		return 0, err
	}
	if condition == nil {
		condition = &messages.Condition{}
	}
	state := settings.State{
		Version: r.Version, Absent: r.Absent, Modified: time.UnixMilli(r.Modified),
	}
	required := settings.Condition{Match: (*settings.Versions)(condition.Match)}
	if condition.UnmodifiedSince != 0 {
		required.UnmodifiedSince = time.Unix(condition.UnmodifiedSince, 0)
	}
	if !required.Holds(state) {
		return fiber.StatusPreconditionFailed, nil
	}
	if condition.NoneMatch != nil {
		none := settings.Condition{NoneMatch: (*settings.Versions)(condition.NoneMatch)}
		return notModifiedIf(!none.Holds(state)), nil
	}
	since := dateOf(c, fiber.HeaderIfModifiedSince)
	unmodified := settings.Condition{UnmodifiedSince: since}
	return notModifiedIf(!since.IsZero() && r.Modified != 0 && unmodified.Holds(state)), nil
}

func notModifiedIf(unmodified bool) (status int) {
	if unmodified {
		return fiber.StatusNotModified
	}
	return 0
}

// missed is the detail of a failed precondition: the current state.
func missed(c *fiber.Ctx, o *messages.Operation, r *messages.Result) string {
	what := "document"
	if ofSchema(o) {
		what = "schema"
	}
	detail := "the current version is " + tagOf(o, r)
	switch {
	case o.Action == messages.ActionReadEffective:
	case r.Absent && r.Version == 0:
		detail = fmt.Sprintf("there is no %s yet", what)
	case r.Absent:
		detail = fmt.Sprintf("the %s was deleted at version %d", what, r.Version)
	}
	if strings.Contains(c.Get(fiber.HeaderIfMatch), "W/") {
		detail += "; a weak entity tag (W/) never matches If-Match"
	}
	return detail
}

// comparison is one of the two ways to compare entity tags (RFC 9110 section 8.8.3.2).
type comparison bool

const (
	strong comparison = false // a weak tag matches nothing
	weak   comparison = true  // a weak tag equals the strong one
)

// tagsOf returns the versions that a header lists, on one line or several; nil without the header.
func tagsOf(c *fiber.Ctx, header string, how comparison,
	version func(string) (int64, bool),
) (*messages.Versions, error) {
	lines := c.Request().Header.PeekAll(header)
	if len(lines) == 0 {
		return nil, nil //nolint:nilnil // no header is no error
	}
	var list []string
	for _, line := range lines {
		list = append(list, string(line))
	}
	versions, err := parseTags(strings.Join(list, ","), how, version)
	if err != nil {
		return nil, problem{kind: messages.KindMalformed, detail: header + ": " + err.Error()}
	}
	return versions, nil
}

// parseTags reads "*" or a list of entity tags. A tag may be weak, and may contain commas.
func parseTags(list string, how comparison, version func(string) (int64, bool)) (*messages.Versions,
	error,
) {
	rest := strings.Trim(list, " \t")
	if rest == "*" {
		return &messages.Versions{Any: true}, nil
	}
	var (
		versions messages.Versions
		tags     int
	)
	for rest = skipCommas(rest); rest != ""; rest = skipCommas(rest) {
		opaque, isWeak := strings.CutPrefix(rest, "W/")
		tag, after, closed := strings.Cut(strings.TrimPrefix(opaque, `"`), `"`)
		after = strings.TrimLeft(after, " \t")
		switch {
		case !strings.HasPrefix(opaque, `"`), !closed, strings.ContainsFunc(tag, notInTag),
			after != "" && after[0] != ',':
			return nil, fmt.Errorf("%.40q is not an entity tag, like %q", rest, `"7"`)
		case tags == messages.MaxVersions:
			return nil, fmt.Errorf("more than %d entity tags", messages.MaxVersions)
		}
		tags++
		if v, ok := version(tag); ok && (!isWeak || how == weak) {
			versions.Listed = append(versions.Listed, v)
		}
		rest = after
	}
	if tags == 0 {
		return nil, fmt.Errorf("it has neither an entity tag, like %q, nor *", `"7"`)
	}
	return &versions, nil
}

// skipCommas skips commas, white space and empty elements before the next element.
func skipCommas(list string) string { return strings.TrimLeft(list, ", \t") }

func notInTag(r rune) bool { return r <= ' ' || r == 0x7f }

// tagOf is the entity tag of what an operation wrote or read, without its quotes: the version. A
// document with the schema's defaults changes with the schema, too, so its tag has both versions.
func tagOf(o *messages.Operation, r *messages.Result) string {
	tag := strconv.FormatInt(r.Version, 10)
	if o.Action == messages.ActionReadEffective {
		tag += "-" + strconv.FormatInt(r.Schema, 10)
	}
	return tag
}

// versionOf returns the version that a tag stands for: a number spelt as tagOf spells it.
func versionOf(tag string) (int64, bool) {
	n, err := strconv.ParseInt(tag, 10, 64)
	return n, err == nil && n >= 0 && strconv.FormatInt(n, 10) == tag
}

// dateOf returns the date in a header. It is zero without one, or if it is not valid: then RFC 9110
// wants it ignored.
func dateOf(c *fiber.Ctx, header string) time.Time {
	value := c.Get(header)
	if value == "" { // nearly always; ParseTime took 4 % of a read to find out
		return time.Time{}
	}
	date, err := http.ParseTime(value)
	if err != nil {
		return time.Time{}
	}
	return date
}

// setState sets the headers for the version that an answer is about: a strong entity tag (RFC 9110
// section 8.8.3), and when the version was written.
func setState(c *fiber.Ctx, o *messages.Operation, r *messages.Result) {
	set(c, fiber.HeaderETag, `"`+tagOf(o, r)+`"`)
	if r.Modified != 0 {
		// The time is the database's, but must not be later than the answer (section 8.8.2.1). It
		// may still be, by a second: fasthttp's Date can be that much behind, and can't be set.
		modified := time.UnixMilli(min(r.Modified, time.Now().UnixMilli()))
		set(c, fiber.HeaderLastModified, utils.UnsafeString(fasthttp.AppendHTTPDate(nil, modified)))
	}
}
