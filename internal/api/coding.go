package api

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/gofiber/fiber/v2"
	"github.com/klauspost/compress/gzip"
	"github.com/valyala/fasthttp"
)

// Content codings (RFC 9110, section 8.4). Answers are compressed at the fastest level where that
// saves more than it costs. Each coding of a document is a representation with an entity tag of its
// own (section 8.8.3.3), with the coding behind it, as Apache and Caddy write it, too. All of them
// stand for the same version.

const (
	codingGzip     = "gzip"
	codingIdentity = "identity"
)

// minCompressed is how many bytes a body must have to be worth it. Smaller ones fit into one packet
// anyway.
const minCompressed = 1 << 10

// codingSuffixes are what servers and proxies add to the entity tags of what they compress.
var codingSuffixes = []string{"-gzip", "-br", "-zstd"}

// withoutCoding returns an entity tag, without its quotes, as it is without a content coding.
func withoutCoding(tag string) string {
	for _, suffix := range codingSuffixes {
		if plain, ok := strings.CutSuffix(tag, suffix); ok {
			return plain
		}
	}
	return tag
}

// gzipTag returns the entity tag, with its quotes, of the gzip form of what has this tag.
func gzipTag(tag string) string { return strings.TrimSuffix(tag, `"`) + codingSuffixes[0] + `"` }

// entityTag returns the ETag of an answer, or "". fasthttp's Peek would look for Etag.
func entityTag(h *fasthttp.ResponseHeader) string {
	for name, value := range h.All() {
		if string(name) == fiber.HeaderETag {
			return string(value)
		}
	}
	return ""
}

// compress compresses the body of an answer if it is worth it and the client takes it. Streams see
// to it themselves, and so do multi-requests.
func compress(c *fasthttp.RequestCtx) {
	r := &c.Response
	if c.Hijacked() || r.IsBodyStream() || !negotiate(c, len(r.Body())) {
		return
	}
	// Only the answer to a read is what the tag names.
	isRead := (c.IsGet() || c.IsHead()) && r.StatusCode() == fasthttp.StatusOK
	if tag := entityTag(&r.Header); isRead && tag != "" {
		r.Header.SetCanonical([]byte(fiber.HeaderETag), []byte(gzipTag(tag)))
	}
	r.SetBodyRaw(compressed(r.Body()))
}

// negotiate tells whether to compress an answer of this size, and sets the headers for it. Where
// the size alone decides, the answer doesn't vary.
func negotiate(c *fasthttp.RequestCtx, size int) bool {
	if size < minCompressed {
		return false
	}
	c.Response.Header.Add(fiber.HeaderVary, fiber.HeaderAcceptEncoding)
	if !acceptsGzip(&c.Request.Header) {
		return false
	}
	c.Response.Header.Set(fiber.HeaderContentEncoding, codingGzip)
	return true
}

// acceptsGzip tells whether the client takes gzip, and doesn't like the body better as it is (RFC
// 9110, section 12.5.3). Without the header it might take anything; many that don't send it can't.
func acceptsGzip(h *fasthttp.RequestHeader) bool {
	zipped, plain, other := -1.0, -1.0, -1.0 // the weights; -1: not there
	for _, line := range h.PeekAll(fiber.HeaderAcceptEncoding) {
		for element := range strings.SplitSeq(string(line), ",") {
			name, weight := weightOf(element)
			switch strings.ToLower(name) {
			case codingGzip, "x-gzip":
				zipped = max(zipped, weight)
			case codingIdentity:
				plain = weight
			case "*":
				other = weight
			}
		}
	}
	if zipped < 0 {
		zipped = other
	}
	return zipped > 0 && zipped >= plain
}

// weightOf returns the name of a coding in a list, and its weight: 1 without any, 0 for one that is
// no number.
func weightOf(element string) (name string, weight float64) {
	name, parameter, found := strings.Cut(element, ";")
	if !found {
		return strings.TrimSpace(name), 1
	}
	q, value, _ := strings.Cut(strings.TrimSpace(parameter), "=")
	weight, err := strconv.ParseFloat(value, 64)
	if err != nil || !strings.EqualFold(q, "q") || !(weight >= 0 && weight <= 1) {
		weight = 0
	}
	return strings.TrimSpace(name), weight
}

// compressors are idle ones: each takes some hundred kilobytes.
var compressors = sync.Pool{New: func() any {
	z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // fails for unknown levels only
	return z
}}

// compressed returns the gzip form of a body.
func compressed(body []byte) []byte {
	z, _ := compressors.Get().(*gzip.Writer)
	defer compressors.Put(z)
	b := bytes.NewBuffer(make([]byte, 0, len(body)/2))
	z.Reset(b)
	_, _ = z.Write(body) // a Buffer takes everything
	_ = z.Close()
	return b.Bytes()
}

// unmodified answers a read with 304. Its entity tag must be that of what the client has (RFC 9111,
// section 4.3.4): the one that it named, or the one that it would be sent now. size is that of the
// body that isn't sent.
func unmodified(c *fiber.Ctx, size int) {
	c.Status(fiber.StatusNotModified)
	if size < minCompressed {
		return
	}
	c.Response().Header.Add(fiber.HeaderVary, fiber.HeaderAcceptEncoding)
	plain := entityTag(&c.Response().Header)
	has := func(tag string) bool {
		return slices.ContainsFunc(c.Request().Header.PeekAll(fiber.HeaderIfNoneMatch),
			func(line []byte) bool { return bytes.Contains(line, []byte(tag)) })
	}
	zipped, accepts := gzipTag(plain), acceptsGzip(&c.Request().Header)
	if accepts && (has(zipped) || !has(plain)) || has(zipped) && !has(plain) {
		set(c, fiber.HeaderETag, zipped)
	}
}

// codingOf returns the content coding of the request's body, or "" for none. The problem for any
// other than those that are taken names them (RFC 7694).
func codingOf(c *fiber.Ctx, taken ...string) (string, error) {
	coding := strings.ToLower(strings.TrimSpace(c.Get(fiber.HeaderContentEncoding)))
	switch coding {
	case "":
		return "", nil
	case "x-gzip":
		coding = codingGzip
	}
	if slices.Contains(taken, coding) {
		return coding, nil
	}
	detail := "send the body without Content-Encoding"
	if len(taken) > 0 {
		detail += ", or with " + strings.Join(taken, ", ")
	} else {
		taken = []string{codingIdentity}
	}
	return "", problem{
		kind: kindUnsupportedMedia, detail: detail, codings: strings.Join(taken, ", "),
	}
}
