package api

import (
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/utils"
	"github.com/valyala/fasthttp"

	"github.com/outset-settings/outset/pkg/messages"
)

// exampleTag is an entity tag (RFC 9110 section 8.8.3) as [messages.Tag] spells it.
const exampleTag = `"7-hmw2k3p9x4"`

// namer returns the version that a tag, without its quotes, names, if any.
type namer func(tag string) (messages.Tag, bool)

// tagOf is the entity tag of what an operation wrote or read, without its quotes. A document with
// the schema's defaults changes with the schema, too, so its tag names both versions.
func tagOf(o *messages.Operation, r *messages.Result) string {
	b := r.Tag().Append(make([]byte, 0, 64))
	if o.Action == messages.ActionReadEffective {
		schema := messages.Tag{Version: r.Schema, Modified: r.SchemaModified}
		b = schema.Append(append(b, '-'))
	}
	return utils.UnsafeString(b)
}

// quoted is a version's entity tag as headers have it.
func quoted(t messages.Tag) string { return `"` + string(t.Append(nil)) + `"` }

// modifiedOf is when what was read last changed, in microseconds since 1970, or 0.
func modifiedOf(r *messages.Result) int64 { return max(r.Modified, r.SchemaModified) }

// setState sets the headers for the version that an answer is about: a strong entity tag, and when
// the version was written.
func setState(c *fiber.Ctx, o *messages.Operation, r *messages.Result) {
	set(c, fiber.HeaderETag, `"`+tagOf(o, r)+`"`)
	if at := modifiedOf(r); at != 0 {
		// The time is the database's, but must not be later than the answer's Date (section
		// 8.8.2.1), which is renewed after this.
		modified := time.UnixMicro(min(at, time.Now().UnixMicro()))
		set(c, fiber.HeaderLastModified, utils.UnsafeString(fasthttp.AppendHTTPDate(nil, modified)))
	}
}
