package schema_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/outset-settings/outset/internal/schema"
)

// TestSchemaIsShared is for the race detector: a schema may be used by several goroutines.
func TestSchemaIsShared(t *testing.T) {
	t.Parallel()
	s := compiled(t, ordinarySchema)
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			document := []string{`{}`, ordinaryDocument, `{"editor":{"size":"x"},"recent":[1,1]}`}[i%3]
			_ = s.Check([]byte(document))
			if _, err := s.Effective([]byte(document), limits.Bytes); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

const (
	ordinarySchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "properties": {
    "theme": {"enum": ["dark", "light", "system"], "default": "system"},
    "language": {"type": "string", "pattern": "^[a-z]{2}(-[A-Z]{2})?$", "default": "en"},
    "notifications": {"type": "object", "properties": {
      "email": {"type": "boolean", "default": true}, "push": {"type": "boolean", "default": false},
      "hours": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 23}, "maxItems": 2, "default": [8, 20]}
    }},
    "editor": {"type": "object", "properties": {
      "font": {"type": "string", "maxLength": 40, "default": "mono"}, "size": {"type": "number", "minimum": 6, "maximum": 72, "default": 12},
      "wrap": {"type": "boolean", "default": true}, "tabs": {"type": "integer", "minimum": 1, "maximum": 8, "default": 4},
      "ruler": {"type": ["integer", "null"], "default": null}
    }},
    "recent": {"type": "array", "items": {"type": "string"}, "maxItems": 10, "uniqueItems": true},
    "colors": {"type": "object", "additionalProperties": {"$ref": "#/$defs/color"}},
    "accent": {"$ref": "#/$defs/color", "default": "#336699"},
    "pad": {"type": "string"}, "density": {"enum": ["compact", "normal"], "default": "normal"}, "beta": {"type": "boolean", "default": false},
    "timezone": {"type": "string", "default": "UTC"}
  },
  "additionalProperties": false,
  "$defs": {"color": {"type": "string", "pattern": "^#[0-9a-f]{6}$"}}
}`
	ordinaryDocument = `{"theme":"dark","language":"fr","notifications":{"email":true,"push":false,"hours":[8,20]},` +
		`"editor":{"font":"mono","size":12.5,"wrap":true},"recent":["a","b","c"],"colors":{"a":"#000000"},` +
		`"pad":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}`
)

func TestOrdinarySchema(t *testing.T) {
	t.Parallel()
	s := compiled(t, ordinarySchema)
	checkError(t, s.Check([]byte(ordinaryDocument)), nil)
	got, err := s.Effective([]byte(`{"editor":{"size":9}}`), limits.Bytes)
	checkError(t, err, nil)
	want := `{"editor":{"size":9,"font":"mono","wrap":true,"tabs":4,"ruler":null},"theme":"system","language":"en",` +
		`"notifications":{"email":true,"push":false,"hours":[8, 20]},"accent":"#336699","density":"normal","beta":false,"timezone":"UTC"}`
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	checkError(t, s.Check(got), nil)
}

func BenchmarkSchemaCheck(b *testing.B) {
	s := compiled(b, ordinarySchema)
	for name, document := range map[string]string{
		"Right": ordinaryDocument, "Wrong": strings.Replace(ordinaryDocument, `12.5`, `"12"`, 1), "Empty": `{}`,
	} {
		b.Run(name, func(b *testing.B) {
			text := []byte(document)
			b.ReportAllocs()
			for b.Loop() {
				_ = s.Check(text)
			}
		})
	}
	b.Run("Compile", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := schema.Compile([]byte(ordinarySchema), limits); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkSchemaEffective(b *testing.B) {
	s := compiled(b, ordinarySchema)
	full, err := s.Effective([]byte(ordinaryDocument), limits.Bytes)
	checkErrorOf(b, err)
	for name, document := range map[string][]byte{"Some": []byte(ordinaryDocument), "Empty": []byte(`{}`), "Full": full} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, err := s.Effective(document, limits.Bytes)
				checkErrorOf(b, err)
			}
		})
	}
}

func checkErrorOf(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}
