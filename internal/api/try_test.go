package api_test

import (
	"net/http"
	"testing"
)

// TestTry: a dry run says what a write would be answered for its document, and leaves nothing.
func TestTry(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	if a := s.do(http.MethodPut, "/schema", `{"properties":{"size":{"type":"number"}}}`, isJSON); a.status != http.StatusOK {
		t.Fatalf("%+v", a)
	}
	try := func(document, query string, header ...string) answer {
		return s.do(http.MethodPut, "/user/ann/settings"+query, document, append(header, isJSON)...)
	}
	const dry = "?dry_run=true"
	if a := try(`{"size":1}`, dry, `If-Match: "7"`, "Idempotency-Key: k"); a.status != http.StatusNoContent || a.body != "" {
		t.Errorf("one that fits: %+v", a)
	}
	for document, kind := range map[string]string{
		`{"size":"x"}`: "schema-violation", `[]`: "invalid-document", `{`: "malformed",
		`{"a":1,"a":2}`: "malformed",
	} {
		dryly, really := try(document, dry), try(document, "")
		if !isProblemOf(dryly, kind) || dryly.status != really.status || !isProblemOf(really, kind) {
			t.Errorf("%s: %+v, and without dry_run %+v", document, dryly, really)
		}
	}
	if a := try(`{"size":1}`, "?dry_run=perhaps"); a.status != http.StatusBadRequest {
		t.Errorf("perhaps: %+v", a)
	}
	s.has("ann", 0, `{}`)
	if a := try(`{"size":1}`, "?dry_run=false", "Idempotency-Key: k"); a.status != http.StatusOK {
		t.Errorf("not dry, with a key of before: %+v", a)
	}
	s.has("ann", 1, `{"size":1}`)
}
