package api_test

import (
	"fmt"
	"strings"
	"testing"
)

// nested is an object of so many levels.
func nested(levels int) string {
	return strings.Repeat(`{"a":`, levels-1) + `{}` + strings.Repeat(`}`, levels-1)
}

// manyKeys is an object with n keys altogether, in the fewest bytes: most of them one letter long.
func manyKeys(n int) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	var groups []string
	for n > 0 {
		n-- // for the key of the group
		inside := min(n, len(letters))
		n -= inside
		var keys []string
		for _, letter := range letters[:inside] {
			keys = append(keys, fmt.Sprintf(`"%c":0`, letter))
		}
		groups = append(groups, fmt.Sprintf(`"%d":{%s}`, len(groups), strings.Join(keys, ",")))
	}
	return "{" + strings.Join(groups, ",") + "}"
}

// TestStrictInput: what is wrong gets the right answer and changes nothing, whichever way it
// comes in.
func TestStrictInput(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	config := workerConfig
	// To check and to patch 10,000 keys under the race detector takes seconds on a busy machine.
	config.MaxKeys = 1_000
	s.startWorkerWith(config)
	for _, c := range []struct {
		name, body string
		status     int
		kind       string
	}{
		{"an empty body", "", 400, "malformed"},
		{"a blank body", " \r\n\t", 400, "malformed"},
		{"a byte order mark", "\ufeff{}", 400, "malformed"},
		{"UTF-16", "\xff\xfe{\x00}\x00", 400, "malformed"},
		{"UTF-16 without a mark", "{\x00}\x00", 400, "malformed"},
		{"no JSON", "theme=dark", 400, "malformed"},
		{"truncated", `{"a":1`, 400, "malformed"},
		{"truncated in a string", `{"a":"b`, 400, "malformed"},
		{"two values", `{} {}`, 400, "malformed"},
		{"a comment", `{/* a */}`, 400, "malformed"},
		{"a comment of a line", "{} // a", 400, "malformed"},
		{"a trailing comma", `{"a":1,}`, 400, "malformed"},
		{"a trailing comma in an array", `{"a":[1,]}`, 400, "malformed"},
		{"NaN", `{"a":NaN}`, 400, "malformed"},
		{"Infinity", `{"a":-Infinity}`, 400, "malformed"},
		{"a leading zero", `{"a":01}`, 400, "malformed"},
		{"a plus sign", `{"a":+1}`, 400, "malformed"},
		{"a hexadecimal number", `{"a":0x1}`, 400, "malformed"},
		{"single quotes", `{'a':1}`, 400, "malformed"},
		{"a key without quotes", `{a:1}`, 400, "malformed"},
		{"a key twice", `{"a":1,"a":1}`, 400, "malformed"},
		{"a key twice, once with escapes", `{"a":1,"\u0061":1}`, 400, "malformed"},
		{"a key twice, deep inside", `{"x":[{"a":1,"a":2}]}`, 400, "malformed"},
		{"invalid UTF-8", "{\"a\":\"\xff\"}", 400, "malformed"},
		{"overlong UTF-8", "{\"a\":\"\xc0\x80\"}", 400, "malformed"},
		{"a surrogate in UTF-8", "{\"a\":\"\xed\xa0\x80\"}", 400, "malformed"},
		{"a lone surrogate", `{"a":"\ud800"}`, 400, "malformed"},
		{"a lone low surrogate", `{"a":"\udc00x"}`, 400, "malformed"},
		{"a control character in a string", "{\"a\":\"\x01\"}", 400, "malformed"},
		{"too deep", nested(33), 400, "malformed"},
		{"a bomb of brackets", strings.Repeat("[", 60_000), 400, "malformed"},
		{"an array", `[1]`, 422, "invalid-document"},
		{"a string", `"a"`, 422, "invalid-document"},
		{"a number", `1`, 422, "invalid-document"},
		{"null", `null`, 422, "invalid-document"},
		{"true", `true`, 422, "invalid-document"},
		{"a number beyond a double", `{"a":1e400}`, 422, "invalid-document"},
		{"a negative number beyond a double", `{"a":[-1e400]}`, 422, "invalid-document"},
		{"a number of over 40 digits", `{"a":` + strings.Repeat("1", 41) + `}`, 422, "invalid-document"},
		{"a key of over 256 bytes", `{"` + strings.Repeat("k", 257) + `":1}`, 422, "invalid-document"},
		{"a body over 64 KiB", `{"x":"` + strings.Repeat("x", 64<<10) + `"}`, 413, "too-large"},
		{"a body far over 64 KiB", `{"x":"` + strings.Repeat("x", 5<<20) + `"}`, 413, "too-large"},
	} {
		refusal := problem(c.kind)
		whole := []exchange{
			{put, isJSON, c.body, c.status, "ETag:", refusal},
			{post, isJSON, c.body, c.status, "ETag:", refusal},
			{patch, isMerge, c.body, c.status, "ETag:", refusal},
			{patch, isJSON, c.body, c.status, "ETag:", refusal},
		}
		if c.status != 422 { // else it may be a value, and is certainly no patch
			whole = append(whole, exchange{
				"PUT $/settings/v", isJSON, c.body, c.status, "ETag:", refusal,
			},
				exchange{patch, isPatch, c.body, c.status, "ETag:", refusal})
		}
		s.story(t, c.name, append(whole, exchange{get, "", "", 200, `ETag: "0"`, `{}`})...)
	}
	s.story(t, "more than 1,000 keys",
		exchange{put, isJSON, manyKeys(1_001), 422, "", problem("invalid-document")},
		exchange{put, isJSON, manyKeys(999), 200, `ETag: "1"`, ""},
		exchange{"PUT $/settings/one%20more", isJSON, `1`, 201, `ETag: "2"`, ""},
		exchange{"PUT $/settings/another", isJSON, `1`, 422, "", problem("invalid-document")},
		exchange{patch, isMerge, `{"and":"another"}`, 422, "", problem("invalid-document")},
		exchange{patch, isPatch, `[{"op":"add","path":"/and","value":"another"}]`, 422, "", problem("invalid-document")})
	s.story(t, "a value beyond the limits",
		exchange{"PUT $/settings/v", isJSON, `1e400`, 422, "", problem("invalid-document")},
		// one level too deep at its place
		exchange{"PUT $/settings/v", isJSON, nested(32), 422, "", problem("invalid-document")},
		exchange{"PUT $/settings/" + strings.Repeat("k", 257), isJSON, `1`, 422, "", problem("invalid-document")})
	for _, kept := range []string{
		`{"n":9007199254740993}`, `{"n":1.10}`, `{"n":1E+2,"m":-0.0}`, `{"😀":"👩‍👧"}`, `{"שלום":"مرحبا"}`, `{"__proto__":{"constructor":1}}`, `{"a":"\u0000"}`,
		`{"a":"\ud83d\ude00\/"}`, " {\t\"b\":1,\r\n\"a\":2} ", nested(32), `{"` + strings.Repeat("k", 256) + `":` + strings.Repeat("1", 40) + `}`,
		`{"x":"` + strings.Repeat("x", 64<<10-8) + `"}`,
	} {
		s.story(t, "kept exactly",
			exchange{put, isJSON, kept, 200, `ETag: "1"`, kept},
			exchange{get, "", "", 200, `ETag: "1"`, kept},
			exchange{patch, isPatch, `[]`, 200, `ETag: "2"`, kept},
			exchange{"GET $/history/1", "", "", 200, "", kept})
	}
}

// TestStrictHeaders: ids, paths, types and what tries to be somebody else.
func TestStrictHeaders(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	for _, id := range []string{
		"a%00b", "a%0Ab", "a%7Fb", "%C2%85", "%E2%80%A8", "%FF",
		"%ED%A0%80", strings.Repeat("x", 129),
	} {
		s.story(t, "the user id "+id,
			exchange{"GET /user/" + id + "/settings", "", "", 400, "", problem("malformed")},
			exchange{"PUT /user/" + id + "/settings", isJSON, `{}`, 400, "", problem("malformed")},
			exchange{"PATCH /user/" + id + "/settings", isMerge, `{}`, 400, "", problem("malformed")},
			exchange{"GET /user/" + id + "/settings/a", "", "", 400, "", problem("malformed")},
			exchange{"GET /user/" + id + "/history", "", "", 400, "", problem("malformed")},
			exchange{
				"POST /user/" + id + "/history/1/restore", "", "", 400, "", problem("malformed"),
			},
			exchange{"DELETE /user/" + id, "", "", 400, "", problem("malformed")})
	}
	s.story(t, "media types",
		exchange{put, "Content-Type: application/x-www-form-urlencoded", `{}`, 415, "", problem("unsupported-media-type")},
		exchange{put, "X-Other: none", `{}`, 415, "", problem("unsupported-media-type")},
		exchange{put, "Content-Type: application/json; charset=latin1", `{}`, 415, "", problem("unsupported-media-type")},
		exchange{put, "Content-Type: application/json; ;", `{}`, 415, "", problem("unsupported-media-type")},
		exchange{put, "Content-Type: application/jsonx", `{}`, 415, "", problem("unsupported-media-type")},
		exchange{patch, "Content-Type: application/xml-patch+xml", `{}`, 415, "", problem("unsupported-media-type")},
		exchange{patch, lines(isMerge, "Content-Encoding: br"), `{}`, 415, "", problem("unsupported-media-type")},
		exchange{put, lines(isJSON, "Content-Encoding: identity"), `{}`, 415, "", problem("unsupported-media-type")},
		exchange{put, `Content-Type: Application/JSON; Charset="UTF-8"`, `{}`, 200, "", ""},
		exchange{patch, "Content-Type: Application/Merge-Patch+JSON", `{}`, 200, "", ""},
		exchange{patch, "Content-Type: APPLICATION/JSON-PATCH+JSON;charset=utf-8", `[]`, 200, "", ""})
	s.story(t, "who one says to be is not asked",
		exchange{put, lines(isJSON, "X-User-ID: other", "X-Forwarded-For: 10.0.0.1", "X-Forwarded-User: root", "X-HTTP-Method-Override: DELETE"), `{"a":1}`, 200, `ETag: "1"`, ""},
		exchange{"POST $/settings", lines(isJSON, "X-HTTP-Method-Override: DELETE", "X-Method-Override: DELETE"), `{"a":2}`, 200, `ETag: "2"`, ""},
		exchange{get, "X-User-ID: other", "", 200, "", `{"a":2}`},
		exchange{
			"POST /healthz", "X-HTTP-Method-Override: GET", "", 405, "",
			problem("method-not-allowed"),
		})
	s.story(t, "headers that are too large",
		exchange{
			get, "X-Large: " + strings.Repeat("x", 9<<10), "", 431, "",
			problem("headers-too-large"),
		},
		exchange{
			"GET $/settings/" + strings.Repeat("x", 9<<10), "", "", 431, "",
			problem("headers-too-large"),
		})
	s.story(t, "paths that lead nowhere",
		exchange{"GET /user//settings", "", "", 404, "", problem("not-found")},
		exchange{"GET /users/", "", "", 404, "", problem("not-found")},
		exchange{"GET $/history/", "", "", 404, "", problem("not-found")},
		exchange{"GET /User/42/settings", "", "", 404, "", problem("not-found")},
		exchange{"GET $/Settings", "", "", 404, "", problem("not-found")})
}
