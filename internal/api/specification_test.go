package api_test

import (
	"strings"
	"testing"
	"time"
)

// TestSpecification is what the API does, row by row, against the running system.
func TestSpecification(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	s.startWorker()
	s.documents(t)
	s.patches(t)
	s.values(t)
	s.preconditions(t)
	s.idempotency(t)
	s.histories(t)
	s.rest(t)
}

const (
	put    = "PUT $/settings"
	post   = "POST $/settings"
	patch  = "PATCH $/settings"
	get    = "GET $/settings"
	head   = "HEAD $/settings"
	remove = "DELETE $/settings"
)

func (s *system) documents(t *testing.T) {
	s.story(t, "GET of a user who never saved",
		exchange{get, "", "", 200, lines(`ETag: "0"`, "Last-Modified:", "Content-Type: application/json", "Cache-Control: no-cache", "X-Content-Type-Options: nosniff"), `{}`},
		exchange{head, "", "", 200, lines(`ETag: "0"`, "Content-Length: 2"), nothing})
	s.story(t, "PUT replaces and answers the document, byte for byte",
		exchange{put, isJSON, " {\"b\":1.10,\n \"a\":9007199254740993} ", 200, lines(`ETag: "1"`, "Content-Type: application/json", "Preference-Applied:"), " {\"b\":1.10,\n \"a\":9007199254740993} "},
		exchange{get, "", "", 200, `ETag: "1"`, " {\"b\":1.10,\n \"a\":9007199254740993} "},
		exchange{put, lines(isJSON, wantLess), `{"c":1}`, 204, lines(`ETag: "2"`, "Preference-Applied: return=minimal", "Content-Type:"), nothing},
		exchange{put, lines(isJSON, "Prefer: respond-async, Return = \"representation\"; x=1"), `{"c":2}`, 200, lines(`ETag: "3"`, "Preference-Applied: return=representation"), `{"c":2}`},
		exchange{put, lines(isJSON, `Prefer: x="a, return=minimal"`), `{"c":3}`, 200, lines(`ETag: "4"`, "Preference-Applied:"), `{"c":3}`},
		exchange{put, lines(isJSON, "Content-Range: bytes 0-1/9"), `{}`, 400, "", problem("malformed")},
		exchange{get, "", "", 200, `ETag: "4"`, `{"c":3}`})
	s.story(t, "POST does, too, in its own words",
		exchange{post, isJSON, `{"theme":"dark"}`, 200, `ETag: "1"`, ""},
		exchange{"POST /user/a%22b/settings", isJSON, `{"theme": "dark"}`, 200, `ETag: "1"`, `{"status":"settings updated","userId":"a\"b","settings":{"theme": "dark"}}`})
	s.story(t, "DELETE leaves {}, and the version goes on counting",
		exchange{put, isJSON, `{"a":1}`, 200, `ETag: "1"`, ""},
		exchange{remove, "", "", 204, lines(`ETag: "2"`, "Content-Type:"), nothing},
		exchange{get, "", "", 200, `ETag: "2"`, `{}`},
		exchange{remove, "", "", 204, `ETag: "3"`, nothing},
		exchange{put, isJSON, `{"a":2}`, 200, `ETag: "4"`, `{"a":2}`})
	s.story(t, "what is not a document is refused, and nothing is stored",
		exchange{put, isJSON, `[1]`, 422, "ETag:", problem("invalid-document")},
		exchange{put, isJSON, `{"a":`, 400, "", problem("malformed")},
		exchange{put, "Content-Type: text/plain", `{}`, 415, "", problem("unsupported-media-type")},
		exchange{put, lines(isJSON, "Content-Encoding: gzip"), `{}`, 415, "", problem("unsupported-media-type")},
		exchange{put, isMerge, `{}`, 415, "", problem("unsupported-media-type")},
		exchange{put, isJSON, `{"a":"` + strings.Repeat("x", 64<<10) + `"}`, 413, "", problem("too-large")},
		exchange{get, "", "", 200, `ETag: "0"`, `{}`})
}

func (s *system) patches(t *testing.T) {
	s.story(t, "a merge patch changes what it names and nothing else (RFC 7396)",
		exchange{put, isJSON, `{ "a": 1.10, "b": {"x": 1e2, "y": 2}, "c": [1, 2] }`, 200, `ETag: "1"`, ""},
		exchange{patch, isMerge, `{"b":{"x":null,"z":{"n":null,"m":1}}}`, 200, lines(`ETag: "2"`, "Content-Type: application/json"), `{ "a": 1.10, "b": {"y": 2, "z": {"m":1}}, "c": [1, 2] }`},
		exchange{patch, isJSON, `{"c":[3]}`, 200, `ETag: "3"`, ""},
		exchange{get, "", "", 200, `ETag: "3"`, `{ "a": 1.10, "b": {"y": 2, "z": {"m":1}}, "c": [3] }`},
		exchange{patch, lines(isMerge, wantLess), `{"a":null}`, 204, lines(`ETag: "4"`, "Preference-Applied: return=minimal"), nothing},
		exchange{patch, isMerge, `{}`, 200, `ETag: "5"`, ""})
	s.story(t, "a merge patch for a user without a document",
		exchange{patch, isMerge, `{"a":{"b":null,"c":1}}`, 200, `ETag: "1"`, `{"a":{"c":1}}`})
	s.story(t, "a JSON patch is done whole or not at all (RFC 6902)",
		exchange{put, isJSON, `{"a":1,"list":["x","y"]}`, 200, `ETag: "1"`, ""},
		exchange{patch, isPatch, `[{"op":"test","path":"/a","value":1.0},{"op":"add","path":"/list/1","value":"z"},{"op":"move","from":"/a","path":"/b"}]`, 200, `ETag: "2"`, `{"list":["x","z","y"],"b":1}`},
		exchange{patch, isPatch, `[{"op":"remove","path":"/b"},{"op":"test","path":"/list/0","value":"other"}]`, 422, "ETag:", problem("patch-not-applicable")},
		exchange{patch, isPatch, `[{"op":"remove","path":"/nowhere"}]`, 422, "", problem("patch-not-applicable")},
		exchange{patch, isPatch, `[{"op":"swap","path":"/a"}]`, 400, "", problem("malformed")},
		exchange{patch, isPatch, `{"op":"remove","path":"/a"}`, 400, "", problem("malformed")},
		exchange{get, "", "", 200, `ETag: "2"`, `{"list":["x","z","y"],"b":1}`})
	s.story(t, "what is no patch is refused",
		exchange{patch, isMerge, `[1]`, 422, "", problem("invalid-document")},
		exchange{patch, isMerge, `{"a":1,"a":2}`, 400, "", problem("malformed")},
		exchange{patch, "Content-Type: text/plain", `{}`, 415, "Accept-Patch: application/merge-patch+json, application/json-patch+json, application/json", problem("unsupported-media-type")},
		exchange{patch, isMerge, `{"a":"` + strings.Repeat("x", 60_000) + `"}`, 200, `ETag: "1"`, ""},
		exchange{patch, isMerge, `{"b":"` + strings.Repeat("x", 60_000) + `"}`, 413, "", problem("too-large")},
		exchange{get, "", "", 200, `ETag: "1"`, ""})
}

func (s *system) values(t *testing.T) {
	s.story(t, "one value is read, put and deleted",
		exchange{put, isJSON, `{ "a": {"b c": [1.0, {"x/y": null}]}, "": 0 }`, 200, `ETag: "1"`, ""},
		exchange{"GET $/settings/a", "", "", 200, lines(`ETag: "1"`, "Content-Type: application/json"), `{"b c": [1.0, {"x/y": null}]}`},
		exchange{"GET $/settings/a/b%20c/0", "", "", 200, "", `1.0`},
		exchange{"HEAD $/settings/a/b%20c/0", "", "", 200, lines(`ETag: "1"`, "Content-Length: 3"), nothing},
		exchange{"GET $/settings/a/b%20c/1/x%2Fy", "", "", 200, "", `null`},
		exchange{"GET $/settings/", "", "", 400, "", problem("malformed")},
		exchange{"GET $/settings/a/none", "", "", 404, "", problem("not-found")},
		exchange{"GET $/settings/a/b%20c/01", "", "", 404, "", problem("not-found")},
		exchange{"GET $/settings/a/b%20c/-", "", "", 404, "", problem("not-found")},
		exchange{"PUT $/settings/a/b%20c/0", isJSON, ` "new" `, 200, lines(`ETag: "2"`, "Location:"), `"new"`},
		exchange{"DELETE $/settings/a/b%20c/0", "", "", 204, `ETag: "3"`, nothing},
		exchange{"DELETE $/settings/a/none", "", "", 404, "ETag:", problem("not-found")},
		exchange{get, "", "", 200, `ETag: "3"`, `{ "a": {"b c": [{"x/y": null}]}, "": 0 }`})
	s.story(t, "PUT makes what is missing, and - appends",
		exchange{"PUT $/settings/a/0/b", isJSON, `[]`, 201, lines(`ETag: "1"`, "Location:"), `[]`},
		exchange{"PUT $/settings/a/0/b/-", isJSON, `1`, 201, lines(`ETag: "2"`, "Location: 0"), `1`},
		exchange{"PUT $/settings/list/-/x", lines(isJSON, wantLess), `true`, 201, lines(`ETag: "3"`, "Location: ../0/x", "Preference-Applied: return=minimal"), nothing},
		exchange{"PUT $/settings/list/0/x", lines(isJSON, wantLess), `false`, 204, `ETag: "4"`, nothing},
		exchange{get, "", "", 200, `ETag: "4"`, `{"a":{"0":{"b":[1]}},"list":[{"x":false}]}`})
	s.story(t, "a value that fits nowhere is refused",
		exchange{put, isJSON, `{"s":"x","l":[1]}`, 200, `ETag: "1"`, ""},
		exchange{"PUT $/settings/s/x", isJSON, `1`, 422, "", problem("patch-not-applicable")},
		exchange{"PUT $/settings/l/5", isJSON, `1`, 422, "", problem("patch-not-applicable")},
		exchange{"PUT $/settings/l/x", isJSON, `1`, 422, "", problem("patch-not-applicable")},
		exchange{"PUT $/settings/s", isJSON, `nope`, 400, "", problem("malformed")},
		exchange{"PUT $/settings/s", isJSON, ``, 400, "", problem("malformed")},
		exchange{"PUT $/settings/s", isMerge, `1`, 415, "", problem("unsupported-media-type")},
		exchange{"PUT $/settings/a%00b", isJSON, `1`, 400, "", problem("malformed")},
		exchange{"GET $/settings/%FF", "", "", 400, "", problem("malformed")},
		exchange{"PUT $/settings/" + strings.Repeat("a/", 40) + "a", isJSON, `1`, 422, "", problem("invalid-document")},
		exchange{get, "", "", 200, `ETag: "1"`, `{"s":"x","l":[1]}`})
}

func (s *system) preconditions(t *testing.T) {
	s.story(t, "a read answers 304 when the client has the version",
		exchange{put, isJSON, `{"a":1}`, 200, `ETag: "1"`, ""},
		exchange{get, `If-None-Match: "1"`, "", 304, lines(`ETag: "1"`, "Cache-Control: no-cache"), nothing},
		exchange{get, `If-None-Match: W/"1"`, "", 304, "", nothing},
		exchange{get, `If-None-Match: "x,y", "7" , W/"1"`, "", 304, "", nothing},
		exchange{get, lines(`If-None-Match: "7"`, `If-None-Match: "1"`), "", 304, "", nothing},
		exchange{head, `If-None-Match: *`, "", 304, "", nothing},
		exchange{get, `If-None-Match: "2"`, "", 200, "", `{"a":1}`},
		exchange{get, "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT", "", 304, "", nothing},
		exchange{get, "If-Modified-Since: Thu, 01 Jan 2015 00:00:00 GMT", "", 200, "", `{"a":1}`},
		exchange{get, lines("If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT", `If-None-Match: "2"`), "", 200, "", `{"a":1}`},
		exchange{get, "If-Modified-Since: yesterday", "", 200, "", `{"a":1}`},
		exchange{get, `If-Match: "2"`, "", 412, `ETag: "1"`, problem("precondition-failed")},
		exchange{get, `If-Match: "1"`, "", 200, "", `{"a":1}`},
		exchange{"GET $/settings/a", `If-None-Match: "1"`, "", 304, `ETag: "1"`, nothing},
		exchange{"GET $/history/1", `If-None-Match: "1"`, "", 304, `ETag: "1"`, nothing},
		exchange{get, `If-None-Match: 1`, "", 400, "", problem("malformed")})
	s.story(t, "* is a document that is there",
		exchange{get, `If-None-Match: *`, "", 200, `ETag: "0"`, `{}`},
		exchange{get, `If-None-Match: "0"`, "", 304, `ETag: "0"`, nothing},
		exchange{put, lines(isJSON, "If-Match: *"), `{}`, 412, `ETag: "0"`, problem("precondition-failed")},
		exchange{put, lines(isJSON, "If-None-Match: *"), `{"a":1}`, 200, `ETag: "1"`, ""},
		exchange{put, lines(isJSON, "If-None-Match: *"), `{"a":2}`, 412, `ETag: "1"`, problem("precondition-failed")},
		exchange{put, lines(isJSON, `If-Match: "0"`), `{"a":2}`, 412, `ETag: "1"`, problem("precondition-failed")},
		exchange{put, lines(isJSON, "If-Match: *"), `{"a":3}`, 200, `ETag: "2"`, ""},
		exchange{remove, "If-Match: *", "", 204, `ETag: "3"`, nothing},
		exchange{remove, "If-Match: *", "", 412, `ETag: "3"`, problem("precondition-failed")},
		exchange{put, lines(isJSON, `If-Match: "0"`), `{"a":4}`, 200, `ETag: "4"`, ""},
		exchange{remove, "", "", 204, `ETag: "5"`, nothing},
		exchange{get, `If-Match: "0"`, "", 412, `ETag: "5"`, problem("precondition-failed")},
		exchange{get, `If-None-Match: "0"`, "", 200, `ETag: "5"`, `{}`},
		exchange{put, lines(isJSON, `If-None-Match: "0"`), `{}`, 412, `ETag: "5"`, problem("precondition-failed")},
		exchange{put, lines(isJSON, `If-Match: "5"`), `{"a":5}`, 200, `ETag: "6"`, ""})
	s.story(t, "If-Match on every write",
		exchange{put, isJSON, `{"a":[1]}`, 200, `ETag: "1"`, ""},
		exchange{put, lines(isJSON, `If-Match: "7-1"`), `{}`, 412, "", problem("precondition-failed")},
		exchange{post, lines(isJSON, `If-Match: "7-1"`), `{}`, 412, "", problem("precondition-failed")},
		exchange{patch, lines(isMerge, `If-Match: "7-1"`), `{}`, 412, "", problem("precondition-failed")},
		exchange{patch, lines(isPatch, `If-Match: "7-1"`), `[]`, 412, "", problem("precondition-failed")},
		exchange{remove, `If-Match: "7-1"`, "", 412, "", problem("precondition-failed")},
		exchange{"PUT $/settings/a/-", lines(isJSON, `If-Match: "7-1"`), `2`, 412, "", problem("precondition-failed")},
		exchange{"DELETE $/settings/a", `If-Match: "7-1"`, "", 412, "", problem("precondition-failed")},
		exchange{"DELETE $/settings/none", `If-Match: "7-1"`, "", 404, "", problem("not-found")}, // RFC 9110 section 13.2.1
		exchange{"POST $/history/9/restore", `If-Match: "7-1"`, "", 404, "", problem("not-found")},
		exchange{"PUT $/settings/a", lines(isJSON, "If-None-Match: *"), `2`, 412, "", problem("precondition-failed")}, // * is the value
		exchange{"PUT $/settings/b", lines(isJSON, "If-Match: *"), `2`, 412, "", problem("precondition-failed")},
		exchange{"POST $/history/1/restore", `If-Match: "7-1"`, "", 412, "", problem("precondition-failed")},
		exchange{"DELETE $", `If-Match: "7-1"`, "", 412, "", problem("precondition-failed")},
		exchange{"PUT $/settings/a/-", lines(isJSON, `If-Match: "7", "1"`), `2`, 201, `ETag: "2"`, ""},
		exchange{put, lines(isJSON, `If-Match: W/"2"`), `{}`, 412, `ETag: "2"`, problem("precondition-failed")},
		exchange{put, lines(isJSON, `If-Match: "02"`), `{}`, 412, `ETag: "2"`, problem("precondition-failed")},
		exchange{put, lines(isJSON, `If-None-Match: W/"2"`), `{}`, 412, `ETag: "2"`, problem("precondition-failed")},
		exchange{put, lines(isJSON, `If-Match: "2"`, `If-None-Match: "2"`), `{}`, 412, `ETag: "2"`, problem("precondition-failed")},
		exchange{put, lines(isJSON, "If-Unmodified-Since: Thu, 01 Jan 2015 00:00:00 GMT"), `{}`, 412, `ETag: "2"`, problem("precondition-failed")},
		exchange{put, lines(isJSON, "If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT"), `{}`, 412, `ETag: "2"`, problem("precondition-failed")},
		exchange{put, lines(isJSON, "If-Unmodified-Since: Thu, 01 Jan 2015 00:00:00 GMT", `If-Match: "2"`), `{}`, 200, `ETag: "3"`, ""},
		exchange{put, lines(isJSON, "If-Unmodified-Since: Fri, 01 Jan 2100 00:00:00 GMT"), `{}`, 200, `ETag: "4"`, ""},
		exchange{"PUT $/settings/b", lines(isJSON, "If-None-Match: *"), `2`, 201, `ETag: "5"`, ""},
		exchange{"PUT $/settings/b", lines(isJSON, "If-Match: *"), `3`, 200, `ETag: "6"`, ""},
		exchange{"DELETE $/settings/b", "If-Match: *", "", 204, `ETag: "7"`, ""},
		exchange{"DELETE $", `If-Match: "7"`, "", 204, "", nothing})
	for name, header := range map[string]string{
		"bare": "If-Match: 7", "unclosed": `If-Match: "7`, "no comma": `If-Match: "7" "8"`, "star in a list": `If-Match: *, "7"`,
		"empty": "If-Match: ", "lower case w": `If-Match: w/"7"`, "space inside": `If-None-Match: "7 8"`, "too many": "If-Match: " + strings.Repeat(`"7",`, 257),
	} {
		s.story(t, "an If-Match that is no list of entity tags: "+name, exchange{put, lines(isJSON, header), `{}`, 400, "", problem("malformed")})
	}
	s.story(t, "412 carries what there is instead",
		exchange{put, isJSON, "{\"a\" : \"<&>\"}", 200, `ETag: "1"`, ""},
		exchange{
			put, lines(isJSON, `If-Match: "9-1"`, "X-Request-ID: r1"), `{}`, 412, lines(`ETag: "1"`, "X-Request-ID: r1"),
			`{"type":"../../problems/precondition-failed","kind":"precondition-failed","title":"The settings are not what the request expects","status":412,` +
				`"detail":"the current version is 1","requestId":"r1","version":1,"settings":{"a" : "<&>"}}`,
		},
		exchange{
			patch, lines(isMerge, `If-Match: "9-1"`, "X-Request-ID: r1", wantLess), `{}`, 412, `ETag: "1"`,
			`{"type":"../../problems/precondition-failed","kind":"precondition-failed","title":"The settings are not what the request expects","status":412,` +
				`"detail":"the current version is 1","requestId":"r1","version":1}`,
		})
}

func (s *system) idempotency(t *testing.T) {
	key := func(k string) string { return "Idempotency-Key: " + k }
	s.story(t, "the same key and the same request get the first answer",
		exchange{put, lines(isJSON, key(`"k1"`), `If-None-Match: *`), `{"a":1}`, 200, lines(`ETag: "1"`, "Idempotency-Replayed:"), `{"a":1}`},
		exchange{put, lines(isJSON, key(`"k1"`), `If-None-Match: *`), `{"a":1}`, 200, lines(`ETag: "1"`, "Idempotency-Replayed: true"), `{"a":1}`},
		exchange{put, lines(isJSON, key(`k1`), `If-None-Match: *`), `{"a":1}`, 200, lines(`ETag: "1"`, "Idempotency-Replayed: true"), `{"a":1}`},
		exchange{patch, lines(isMerge, key("k2")), `{"b":2}`, 200, `ETag: "2"`, `{"a":1,"b":2}`},
		exchange{"PUT $/settings/list/-", lines(isJSON, key("k3")), `1`, 201, lines(`ETag: "3"`, "Location: 0"), `1`},
		exchange{"DELETE $/settings/a", key("k4"), "", 204, `ETag: "4"`, nothing},
		exchange{"POST $/history/1/restore", key("k5"), "", 200, `ETag: "5"`, `{"a":1}`},
		exchange{remove, key("k6"), "", 204, `ETag: "6"`, nothing},
		exchange{post, lines(isJSON, key("k7")), `{"z":1}`, 200, `ETag: "7"`, ""},
		exchange{put, lines(isJSON, key(`"k1"`), `If-None-Match: *`), `{"a":1}`, 200, lines(`ETag: "1"`, "Idempotency-Replayed: true"), `{"a":1}`},
		exchange{patch, lines(isMerge, key("k2")), `{"b":2}`, 200, lines(`ETag: "2"`, "Idempotency-Replayed: true"), `{"a":1,"b":2}`},
		exchange{"PUT $/settings/list/-", lines(isJSON, key("k3")), `1`, 201, lines(`ETag: "3"`, "Location: 0", "Idempotency-Replayed: true"), `1`},
		exchange{"DELETE $/settings/a", key("k4"), "", 204, lines(`ETag: "4"`, "Idempotency-Replayed: true"), nothing},
		exchange{"POST $/history/1/restore", key("k5"), "", 200, lines(`ETag: "5"`, "Idempotency-Replayed: true"), `{"a":1}`},
		exchange{remove, key("k6"), "", 204, lines(`ETag: "6"`, "Idempotency-Replayed: true"), nothing},
		exchange{post, lines(isJSON, key("k7")), `{"z":1}`, 200, lines(`ETag: "7"`, "Idempotency-Replayed: true"), ""},
		exchange{get, "", "", 200, `ETag: "7"`, `{"z":1}`})
	s.story(t, "what is no document has no key either",
		exchange{put, lines(isJSON, key("k")), `{"a":`, 400, "", problem("malformed")},
		exchange{put, lines(isJSON, key("k"), `If-Match: "9-1"`), `[]`, 422, "", problem("invalid-document")},
		exchange{put, lines(isJSON, key("k")), `{"a":1}`, 200, lines(`ETag: "1"`, "Idempotency-Replayed:"), ""},
		exchange{put, lines(isJSON, key("k")), `{"a":`, 422, "", problem("idempotency-key-reused")})
	s.story(t, "the same key and another request are refused",
		exchange{put, lines(isJSON, key("k")), `{"a":1}`, 200, `ETag: "1"`, ""},
		exchange{put, lines(isJSON, key("k")), `{"a":2}`, 422, "ETag:", problem("idempotency-key-reused")},
		exchange{post, lines(isJSON, key("k")), `{"a":1}`, 422, "", problem("idempotency-key-reused")},
		exchange{put, lines(isJSON, key("k"), `If-Match: "1"`), `{"a":1}`, 422, "", problem("idempotency-key-reused")},
		exchange{patch, lines(isMerge, key("k")), `{"a":1}`, 422, "", problem("idempotency-key-reused")},
		exchange{"PUT $/settings/a", lines(isJSON, key("k")), `1`, 422, "", problem("idempotency-key-reused")},
		exchange{remove, key("k"), "", 422, "", problem("idempotency-key-reused")},
		exchange{put, lines(isJSON, key("K")), `{"a":3}`, 200, `ETag: "2"`, ""})
	s.story(t, "a refusal is not kept",
		exchange{put, lines(isJSON, key("k"), `If-Match: "1"`), `{"a":1}`, 412, "", problem("precondition-failed")},
		exchange{put, isJSON, `{}`, 200, `ETag: "1"`, ""},
		exchange{put, lines(isJSON, key("k"), `If-Match: "1"`), `{"a":1}`, 200, lines(`ETag: "2"`, "Idempotency-Replayed:"), ""})
	for _, c := range []struct{ name, header string }{
		{"empty", "Idempotency-Key: "},
		{"empty in quotes", `Idempotency-Key: ""`},
		{"too long", "Idempotency-Key: " + strings.Repeat("k", 256)},
		{"unclosed", `Idempotency-Key: "k`},
		{"more after it", `Idempotency-Key: "k" "l"`},
		{"a bad escape", `Idempotency-Key: "a\b"`},
		{"a space", "Idempotency-Key: a b"},
		{"not ASCII", "Idempotency-Key: ключ"},
		{"twice", lines("Idempotency-Key: k", "Idempotency-Key: k")},
		{"twice and different", lines("Idempotency-Key: k", "Idempotency-Key: l")},
	} {
		s.story(t, "a malformed key: "+c.name,
			exchange{put, lines(isJSON, c.header), `{}`, 400, "", problem("malformed")},
			exchange{"DELETE $", c.header, "", 400, "", problem("malformed")},
			exchange{get, "", "", 200, `ETag: "0"`, ""})
	}
	s.story(t, "the longest key, and one with all that a string may have",
		exchange{put, lines(isJSON, key(strings.Repeat("k", 255))), `{}`, 200, `ETag: "1"`, ""},
		exchange{put, lines(isJSON, key(`"a \"b\\ ~"`)), `{}`, 200, `ETag: "2"`, ""},
		exchange{put, lines(isJSON, key(`"a \"b\\ ~"`)), `{}`, 200, `Idempotency-Replayed: true`, ""})
}

func (s *system) histories(t *testing.T) {
	s.story(t, "a version of the past is read and restored",
		exchange{put, isJSON, `{"a": 1}`, 200, `ETag: "1"`, ""},
		exchange{patch, isMerge, `{"b":2}`, 200, `ETag: "2"`, ""},
		exchange{remove, "", "", 204, `ETag: "3"`, ""},
		exchange{"GET $/history/1", "", "", 200, lines(`ETag: "1"`, "Content-Type: application/json"), `{"a": 1}`},
		exchange{"HEAD $/history/2", "", "", 200, `ETag: "2"`, nothing},
		exchange{"GET $/history/3", "", "", 200, `ETag: "3"`, `{}`},
		exchange{"POST $/history/2/restore", "", "", 200, `ETag: "4"`, `{"a": 1,"b": 2}`},
		exchange{"POST $/history/1/restore", wantLess, "", 204, lines(`ETag: "5"`, "Preference-Applied: return=minimal"), nothing},
		exchange{get, "", "", 200, `ETag: "5"`, `{"a": 1}`},
		exchange{"POST $/history/3/restore", "", "", 200, `ETag: "6"`, `{}`},
		exchange{put, lines(isJSON, "If-None-Match: *"), `{}`, 200, `ETag: "7"`, ""},
		exchange{"GET $/history/8", "", "", 404, "", problem("not-found")},
		exchange{"POST $/history/8/restore", "", "", 404, "", problem("not-found")},
		exchange{"GET $/history/0", "", "", 400, "", problem("malformed")},
		exchange{"GET $/history/x", "", "", 400, "", problem("malformed")},
		exchange{"GET $/history/99999999999999999999", "", "", 400, "", problem("malformed")},
		exchange{"GET $/history?limit=0", "", "", 400, "", problem("malformed")},
		exchange{"GET $/history?limit=101", "", "", 400, "", problem("malformed")},
		exchange{"GET $/history?before=x", "", "", 400, "", problem("malformed")})
	s.story(t, "a page of another origin can't make a browser restore",
		exchange{put, isJSON, `{}`, 200, `ETag: "1"`, ""},
		exchange{"POST $/history/1/restore", lines("Origin: https://other.example",
			"Sec-Fetch-Site: cross-site"), "", 403, "", problem("cross-origin")},
		exchange{
			"POST $/history/1/restore", "Origin: https://other.example", "", 403, "",
			problem("cross-origin"),
		},
		exchange{"POST $/history/1/restore", "Origin: null", "", 403, "", problem("cross-origin")},
		exchange{
			"POST $/history/1/restore", "Sec-Fetch-Site: same-site", "", 403, "",
			problem("cross-origin"),
		},
		exchange{"POST $/history/1/restore", "Sec-Fetch-Site: same-origin", "", 200, `ETag: "2"`, ""},
		exchange{"POST $/history/1/restore", "Origin: " + s.base, "", 200, `ETag: "3"`, ""})
	s.story(t, "a user without a history",
		exchange{"GET $/history", "", "", 200, "Link:", `{"versions":[]}`},
		exchange{"GET $/history/1", "", "", 404, "", problem("not-found")})
	s.story(t, "DELETE of the user erases all but the count",
		exchange{put, lines(isJSON, "Idempotency-Key: k"), `{"a":1}`, 200, `ETag: "1"`, ""},
		exchange{"DELETE $", "Idempotency-Key: erase", "", 204, "", nothing},
		exchange{get, "", "", 200, `ETag: "2"`, `{}`},
		exchange{"GET $/history", "", "", 200, "", `{"versions":[]}`},
		exchange{"GET $/history/1", "", "", 404, "", problem("not-found")},
		exchange{"POST $/history/1/restore", "", "", 404, "", problem("not-found")},
		exchange{put, lines(isJSON, "Idempotency-Key: k"), `{"a":2}`, 200, lines(`ETag: "3"`, "Idempotency-Replayed:"), ""},
		exchange{
			"DELETE $", "Idempotency-Key: erase", "", 204, "Idempotency-Replayed: true", nothing,
		},
		exchange{get, "", "", 200, `ETag: "3"`, `{"a":2}`},
		exchange{"DELETE $", "", "", 204, "", nothing},
		exchange{put, lines(isJSON, `If-Match: "0"`), `{}`, 200, `ETag: "5"`, ""})
}

func (s *system) rest(t *testing.T) {
	s.story(t, "unknown routes and methods",
		exchange{"GET /nowhere", "", "", 404, "", problem("not-found")},
		exchange{"GET $", "", "", 405, "Allow: DELETE, OPTIONS", problem("method-not-allowed")},
		exchange{
			"POST $/history/1", "", "", 405, "Allow: GET, HEAD, OPTIONS", problem("method-not-allowed"),
		},
		exchange{"PATCH $/settings/a", isMerge, `{}`, 405, "Allow: GET, HEAD, PUT, DELETE, OPTIONS", problem("method-not-allowed")},
		exchange{
			"OPTIONS $/settings", "", "", 204,
			lines("Allow: GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS",
				"Accept-Patch: application/merge-patch+json, application/json-patch+json, application/json", "Access-Control-Allow-Origin:"), nothing,
		},
		exchange{"OPTIONS /nowhere", "", "", 404, "", problem("not-found")},
		exchange{
			"PROPFIND $/settings", "", "", 405, "Allow: GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS",
			problem("method-not-allowed"),
		},
		exchange{"get $/settings", "", "", 405, "", problem("method-not-allowed")},
		exchange{"OTHER /nowhere", "", "", 404, "", problem("not-found")})
	config := apiConfig
	config.RequestTimeout = 30 * time.Second // one of the limits
	s.base, _ = s.startAPI(config)
	s.story(t, "limits",
		exchange{
			"GET /limits", "", "", 200, "Content-Type: application/json",
			`{"document":{"bytes":65536,"depth":32,"keys":10000,"keyBytes":256,"numberDigits":40},` +
				`"patch":{"depth":34,"copyBytes":262144},` +
				`"schema":{"depth":128,"values":90000,"schemas":3000,"pointerBytes":524288,"patternBytes":4000,"patternGroups":10,"evaluations":10000,"chain":64,"work":200000},` +
				`"history":{"versions":100,"hours":24,"bytes":16777216,"page":100},` +
				`"batch":{"operations":100,"bytes":6963200},"users":{"page":500},"tokens":{"count":1000,"nameBytes":64,"cookieBytes":3072},` +
				`"request":{"userIdBytes":128,"idempotencyKeyBytes":255,"headerBytes":8192,"pathBytes":4096,"pathParts":128,"entityTags":256,"timeoutMilliseconds":30000}}`,
		})
}

// TestPreconditionRequired: a deployment may demand that writers know what they overwrite.
func TestPreconditionRequired(t *testing.T) {
	t.Parallel()
	config := apiConfig
	config.RequirePrecondition = true
	s := newSystem(t, config)
	s.startWorker()
	s.story(t, "writes",
		exchange{put, isJSON, `{}`, 428, "", problem("precondition-required")},
		exchange{post, isJSON, `{}`, 428, "", problem("precondition-required")},
		exchange{patch, isMerge, `{}`, 428, "", problem("precondition-required")},
		exchange{remove, "", "", 428, "", problem("precondition-required")},
		exchange{"PUT $/settings/a", isJSON, `1`, 428, "", problem("precondition-required")},
		exchange{"DELETE $/settings/a", "", "", 428, "", problem("precondition-required")},
		exchange{"POST $/history/1/restore", "", "", 428, "", problem("precondition-required")},
		exchange{"DELETE $", "", "", 428, "", problem("precondition-required")},
		exchange{get, "", "", 200, "", `{}`},
		exchange{put, lines(isJSON, "If-None-Match: *"), `{}`, 200, `ETag: "1"`, ""},
		exchange{put, lines(isJSON, `If-Match: "1"`), `{}`, 200, `ETag: "2"`, ""})
}
