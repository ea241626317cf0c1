package schema_test

import (
	"bytes"
	"testing"

	"github.com/outset-settings/outset/internal/schema"
	"github.com/outset-settings/outset/internal/settings"
)

// FuzzSchema: whatever is sent as a schema is refused in a named way or holds and fills whatever
// document there is, in the end; and what comes out is JSON again.
func FuzzSchema(f *testing.F) {
	for _, text := range []string{
		`{}`, `{"properties":{"a":{"default":{"b":1}},"b":{"$ref":"#"}},"default":{"a":{}}}`,
		`{"$defs":{"x":{"properties":{"a":{"default":1}}}},"allOf":[{"$ref":"#/$defs/x"}],"unevaluatedProperties":false}`,
		`{"$id":"http://a/b","additionalProperties":{"$ref":"#","$comment":"c"},"required":["a"],"patternProperties":{"^a":{"pattern":"x+"}}}`,
		`{"anyOf":[{"const":1e-999},{"enum":[[1],{"a":2}]},{"not":{"type":["string","null"]}}],"propertyNames":{"maxLength":2},"items":false}`,
		`{"if":{"minProperties":1},"then":{"dependentSchemas":{"a":{"oneOf":[{},true]}}},"else":{"dependentRequired":{"a":["b"]},"dependencies":{"a":{},"b":["c"]}}}`,
		`{"properties":{"a":{"prefixItems":[{"multipleOf":0.1}],"contains":{"minimum":1},"uniqueItems":true,"minContains":1,"unevaluatedItems":{"$ref":"#"}}}}`,
		`{"not":{"$ref":"https://json-schema.org/draft/2020-12/schema"},"contentSchema":{"$dynamicRef":"#a"}}`,
	} {
		for _, document := range []string{`{}`, "{\n  \"a\": 1.10,\n  \"b\": [ ]\n}\n", `{"a":{"a":{}},"b":{"a":1e-400}}`, `{"a":[1,"x",[1.0],1]}`, `{"type":5,"not":{"not":[]}}`, `[1]`, ``} {
			f.Add([]byte(text), []byte(document))
		}
	}
	f.Fuzz(func(t *testing.T, text, document []byte) {
		s, err := schema.Compile(text, limits)
		if err != nil {
			checkNamed(t, err)
			if bytes.ContainsAny([]byte(err.Error()), "\r\n") || len(err.Error()) > 1200 {
				t.Fatalf("no short line: %q", err)
			}
			return
		}
		if err := s.Check(document); err != nil {
			checkNamed(t, err)
			if limits.Check(document) == nil {
				checkViolations(t, err, string(document))
			}
		}
		if limits.Check(document) != nil {
			return
		}
		got, err := s.Effective(document, limits.Bytes)
		if err != nil {
			checkError(t, err, settings.ErrTooLarge)
			return
		}
		wide := settings.Limits{Bytes: limits.Bytes, Depth: 1000, Keys: limits.Bytes}
		checkError(t, wide.Check(got), nil)
		if again, err := s.Effective(got, limits.Bytes); err != nil || !bytes.Equal(got, again) {
			t.Fatalf("first %s, again %s, %v", got, again, err)
		}
	})
}
