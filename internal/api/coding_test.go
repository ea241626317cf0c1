package api_test

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/outset-settings/outset/internal/api"
)

// unzipped is the body of an answer without its coding.
func unzipped(t *testing.T, a answer) string {
	t.Helper()
	z, err := gzip.NewReader(strings.NewReader(a.body))
	if err != nil {
		t.Fatalf("%d %v: %v", a.status, a.header, err)
	}
	body, err := io.ReadAll(z)
	if err != nil {
		t.Error(err)
	}
	return string(body)
}

const takesGzip = "Accept-Encoding: gzip"

// TestAcceptEncoding: gzip is sent to who takes it, and nothing else to anybody (RFC 9110, section
// 12.5.3).
func TestAcceptEncoding(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]bool{
		"gzip": true, "x-gzip": true, "GZIP": true, "br, gzip": true, "gzip;q=0.001": true,
		"*": true, "*;q=0.5": true, "deflate, gzip;q=1.0, *;q=0.5": true, "gzip ; q=0.5": true,
		"identity;q=0.5, gzip": true, "gzip, identity": true, "identity;q=0, gzip;q=0.1": true,
		"": false, "identity": false, "br": false, "gzip;q=0": false, "gzip;q=0.000": false,
		"gzip;q=0, *": false, "*;q=0": false, "gzip;q=0.5, identity": false, "gzipped": false,
		"gzip;q=x": false, "gzip;q=2": false, "gzip;level=1": false, "gzip;q=NaN": false,
	} {
		if got := api.AcceptsGzip(header); got != want {
			t.Errorf("%q: %v", header, got)
		}
	}
	if !api.AcceptsGzip("br", "gzip") {
		t.Error("only the first line counts")
	}
}

// TestGzip: what is worth it is compressed, says so, and is the same as without.
func TestGzip(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	large := `{"a":"` + strings.Repeat("x y ", 2000) + `"}`
	s.do("PUT", "/user/large/settings", large, isJSON)
	for i := range 40 {
		s.do("PUT", fmt.Sprintf("/user/%d/settings", i), `{"theme":"dark"}`, isJSON)
	}
	for _, c := range []struct{ method, path, body string }{
		{"GET", "/user/large/settings", ""},
		{"GET", "/user/large/settings/a", ""},
		{"GET", "/user/large/history/1", ""},
		{"GET", "/users", ""},
		{"GET", "/users/export", ""},
		{"GET", "/openapi.json", ""},
		{"GET", "/docs/start.js", ""},
		{"GET", "/problems", ""},
		{"POST", "/batch", `{"operations":[{"method":"GET","path":"/user/large/settings"}]}`},
	} {
		plain := s.do(c.method, c.path, c.body, isJSON, "X-Request-ID: r")
		zipped := s.do(c.method, c.path, c.body, isJSON, "X-Request-ID: r", takesGzip)
		if plain.status != http.StatusOK || plain.header.Get("Content-Encoding") != "" ||
			zipped.header.Get("Content-Encoding") != "gzip" || unzipped(t, zipped) != plain.body {
			t.Errorf("%s: %d %v, %d %v", c.path, plain.status, plain.header, zipped.status,
				zipped.header)
		}
		for _, a := range []answer{plain, zipped} {
			if a.header.Get("Vary") != "Accept-Encoding" {
				t.Errorf("%s: Vary is %q", c.path, a.header.Get("Vary"))
			}
		}
		if len(zipped.body) >= len(plain.body) {
			t.Errorf("%s: %d bytes became %d", c.path, len(plain.body), len(zipped.body))
		}
	}
	a := s.do("PUT", "/user/large/settings", large, isJSON, takesGzip)
	if a.header.Get("ETag") != `"2"` || unzipped(t, a) != large {
		t.Errorf("PUT: %v", a.header)
	}
	a = s.do("PUT", "/user/large/settings", "{}", isJSON, takesGzip, `If-Match: "7"`)
	if a.status != http.StatusPreconditionFailed || a.header.Get("ETag") != `"2"` ||
		!strings.Contains(unzipped(t, a), large) {
		t.Errorf("a failed precondition: %d %v", a.status, a.header)
	}
	for _, path := range []string{"/user/1/settings", "/nowhere", "/healthz", "/limits"} {
		if a := s.do("GET", path, "", takesGzip); a.header.Get("Content-Encoding") != "" ||
			a.header.Get("Vary") != "" {
			t.Errorf("%s: %v", path, a.header)
		}
	}
	st := s.watch(t, "/user/large/events?include=settings", takesGzip)
	if st.answer.header.Get("Content-Encoding") != "" || st.answer.header.Get("Vary") != "" {
		t.Errorf("events: %v", st.answer.header)
	}
}

// TestGzipTags: each form of a document has a tag of its own, and each tag stands for the version,
// also where a proxy has marked another coding.
func TestGzipTags(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	large := func(n int) string { return fmt.Sprintf(`{"n":%d,"a":"%s"}`, n, strings.Repeat("x", 2000)) }
	const zip = `ETag: "1-gzip"`
	vary := "Vary: Accept-Encoding"
	s.story(t, "reads",
		exchange{"PUT $/settings", isJSON, large(1), 200, `ETag: "1"`, large(1)},
		exchange{"GET $/settings", "", "", 200, lines(`ETag: "1"`, vary), large(1)},
		exchange{"GET $/settings", takesGzip, "", 200, lines(zip, vary, "Content-Encoding: gzip"), ""},
		exchange{"HEAD $/settings", takesGzip, "", 200, lines(zip, vary, "Content-Encoding: gzip"), nothing},
		exchange{"GET $/settings/a", takesGzip, "", 200, lines(zip, vary), ""},
		exchange{"GET $/settings?effective=true", takesGzip, "", 200, lines(`ETag: "1-0-gzip"`, vary), ""},
		exchange{"GET $/settings?effective=true", lines(takesGzip, `If-None-Match: "1-0-gzip"`), "", 304, lines(`ETag: "1-0-gzip"`, vary), nothing},
		exchange{"GET $/settings", lines(takesGzip, `If-None-Match: "1-gzip"`), "", 304, lines(zip, vary, "Content-Encoding:"), nothing},
		exchange{"GET $/settings", lines(takesGzip, `If-None-Match: "1"`), "", 304, lines(`ETag: "1"`, vary), nothing},
		exchange{"GET $/settings", `If-None-Match: "1-gzip"`, "", 304, lines(zip, vary), nothing},
		exchange{"GET $/settings", `If-None-Match: "1", "1-gzip"`, "", 304, `ETag: "1"`, nothing},
		exchange{"GET $/settings", lines(takesGzip, `If-None-Match: "1", "1-gzip"`), "", 304, zip, nothing},
		exchange{"GET $/settings", lines(takesGzip, "If-None-Match: *"), "", 304, zip, nothing},
		exchange{"GET $/settings", `If-None-Match: W/"1-gzip"`, "", 304, zip, nothing},
		exchange{"GET $/settings", `If-None-Match: "1-br"`, "", 304, `ETag: "1"`, nothing},
		exchange{"GET $/settings", `If-None-Match: "2-gzip"`, "", 200, `ETag: "1"`, large(1)},
		exchange{"GET $/settings", `If-None-Match: "1-zip"`, "", 200, `ETag: "1"`, large(1)},
		exchange{"GET $/settings", `If-Match: "1-gzip"`, "", 200, `ETag: "1"`, large(1)})
	s.story(t, "writes",
		exchange{"PUT $/settings", lines(isJSON, "If-None-Match: *"), large(1), 200, `ETag: "1"`, ""},
		exchange{"PUT $/settings", lines(isJSON, `If-Match: "1-gzip"`), large(2), 200, `ETag: "2"`, large(2)},
		exchange{"PUT $/settings", lines(isJSON, `If-Match: "1-gzip"`), large(3), 412, `ETag: "2"`, problem("precondition-failed")},
		exchange{"PATCH $/settings", lines(isMerge, `If-Match: "9", "2-br"`), `{"n":3}`, 200, `ETag: "3"`, large(3)},
		exchange{"DELETE $/settings/n", `If-Match: W/"3-gzip"`, "", 412, "", problem("precondition-failed")},
		exchange{"DELETE $/settings/n", `If-Match: "3-zstd"`, "", 204, `ETag: "4"`, nothing})
	page := s.do("GET", "/openapi.json", "", takesGzip)
	tag := page.header.Get("ETag")
	if a := s.do("GET", "/openapi.json", "", takesGzip, "If-None-Match: "+tag); !strings.HasSuffix(tag, `-gzip"`) ||
		a.status != http.StatusNotModified || a.header.Get("ETag") != tag {
		t.Errorf("a page with %s: %d %v", tag, a.status, a.header)
	}
}

// TestOtherCodings: a body in a coding that isn't taken is refused, and told which are (RFC 7694).
func TestOtherCodings(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	refused := problem("unsupported-media-type")
	coded := func(coding string) string { return "Content-Encoding: " + coding }
	s.story(t, "codings",
		exchange{"PUT $/settings", lines(isJSON, coded("gzip")), `{}`, 415, "Accept-Encoding: identity", refused},
		exchange{"PATCH $/settings", lines(isMerge, coded("br")), `{}`, 415, "Accept-Encoding: identity", refused},
		exchange{"PUT $/settings", "Content-Type: text/plain", `{}`, 415, "Accept-Encoding:", refused},
		exchange{"PUT $/settings", lines(isJSON, coded("identity")), `{}`, 415, "Accept-Encoding: identity", refused},
		exchange{"POST /batch", lines(isJSON, coded("gzip")), `{}`, 415, "Accept-Encoding: identity", refused},
		exchange{"POST /users/import", lines(isLines, coded("br")), `{}`, 415, "Accept-Encoding: gzip", refused},
		exchange{"POST /users/import", lines(isLines, coded("gzip, gzip")), `{}`, 415, "Accept-Encoding: gzip", refused})
}
