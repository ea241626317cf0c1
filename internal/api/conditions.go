package api

import (
	"bytes"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/outset-settings/outset/internal/settings"
	"github.com/outset-settings/outset/pkg/messages"
)

// The preconditions of RFC 9110 section 13. Our entity tags name versions, see tag.go. Any other
// tag never matches.

// conditionOf returns the preconditions of the request, or nil if it has none. version returns the
// version that a tag names, if any.
func conditionOf(c *fiber.Ctx, version namer) (*messages.Condition, error) {
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
// The rules are those of settings.Condition. Only the current tag names a version here, so "0" is
// the tag of a user who never saved anything, and not of every document that is absent.
func checkRead(c *fiber.Ctx, o *messages.Operation, r *messages.Result) (status int, err error) {
	current := tagOf(o, r)
	condition, err := conditionOf(c, func(tag string) (messages.Tag, bool) {
		return r.Tag(), tag == current
	})
	if err != nil {
		return 0, err
	}
	if condition == nil {
		condition = &messages.Condition{}
	}
	modified := modifiedOf(r)
	state := settings.State{
		Version: r.Version, Absent: r.Absent, Modified: time.UnixMicro(modified),
	}
	required := settings.Condition{Match: versionsOf(condition.Match)}
	if condition.UnmodifiedSince != 0 {
		required.UnmodifiedSince = time.Unix(condition.UnmodifiedSince, 0)
	}
	if !required.Holds(state) {
		return fiber.StatusPreconditionFailed, nil
	}
	if condition.NoneMatch != nil {
		none := settings.Condition{NoneMatch: versionsOf(condition.NoneMatch)}
		return notModifiedIf(!none.Holds(state)), nil
	}
	since := dateOf(c, fiber.HeaderIfModifiedSince)
	unmodified := settings.Condition{UnmodifiedSince: since}
	return notModifiedIf(!since.IsZero() && modified != 0 && unmodified.Holds(state)), nil
}

// versionsOf is a part of a condition whose tags name the current version or none, for checkRead.
func versionsOf(v *messages.Versions) *settings.Versions {
	if v == nil {
		return nil
	}
	s := &settings.Versions{Any: v.Any}
	for _, t := range v.Listed {
		s.Listed = append(s.Listed, settings.Tag{Version: t.Version})
	}
	return s
}

func notModifiedIf(unmodified bool) (status int) {
	if unmodified {
		return fiber.StatusNotModified
	}
	return 0
}

// bareVersion is what somebody sends who takes an entity tag for a number.
var bareVersion = regexp.MustCompile(`^"[0-9]+"$`)

// missed is the detail of a failed precondition: the current state.
func missed(c *fiber.Ctx, o *messages.Operation, r *messages.Result) string {
	what := "document"
	if ofSchema(o) {
		what = "schema"
	}
	detail := fmt.Sprintf("the current version is %d", r.Version)
	switch {
	case o.Action == messages.ActionReadEffective:
	case r.Absent && r.Version == 0:
		detail = fmt.Sprintf("there is no %s yet", what)
	case r.Absent:
		detail = fmt.Sprintf("the %s was deleted at version %d", what, r.Version)
	}
	switch sent := c.Get(fiber.HeaderIfMatch); {
	case strings.Contains(sent, "W/"):
		detail += "; a weak entity tag (W/) never matches If-Match"
	case sent != `"0"` && bareVersion.MatchString(sent):
		detail += "; an entity tag is more than the number of a version, so send the whole ETag"
	case sent == "" && c.Get(fiber.HeaderIfUnmodifiedSince) != "":
		detail += "; a date names all versions of its second, so send the ETag in If-Match instead"
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
	version namer,
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
func parseTags(list string, how comparison, version namer) (*messages.Versions, error) {
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
			return nil, fmt.Errorf("%.40s is not an entity tag, which is in quotes, like %s",
				rest, exampleTag)
		case tags == messages.MaxVersions:
			return nil, fmt.Errorf("more than %d entity tags", messages.MaxVersions)
		}
		tags++
		if v, ok := version(withoutCoding(tag)); ok && (!isWeak || how == weak) {
			versions.Listed = append(versions.Listed, v)
		}
		rest = after
	}
	if tags == 0 {
		return nil, fmt.Errorf("it has neither an entity tag, like %s, nor *", exampleTag)
	}
	return &versions, nil
}

// skipCommas skips commas, white space and empty elements before the next element.
func skipCommas(list string) string { return strings.TrimLeft(list, ", \t") }

func notInTag(r rune) bool { return r <= ' ' || r == 0x7f }

// dateOf returns the date in a header. It is zero without one, if it is not valid, or if there are
// several lines: then RFC 9110 wants it ignored (sections 13.1.3 and 13.1.4).
func dateOf(c *fiber.Ctx, header string) time.Time {
	lines := c.Request().Header.PeekAll(header)
	if len(lines) != 1 { // nearly always none; ParseTime took 4 % of a read to find out
		return time.Time{}
	}
	date, err := http.ParseTime(string(lines[0]))
	if err != nil {
		return time.Time{}
	}
	return date
}
