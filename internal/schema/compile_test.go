package schema_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/outset-settings/outset/internal/schema"
	"github.com/outset-settings/outset/internal/settings"
)

// largest are the limits of the deployment that allows most.
var largest = settings.Limits{Bytes: 512 << 10, Depth: 128, Keys: 50_000}

var slowTexts = map[string]string{
	"EscapedPlaces": `{"properties":{"` + spaces(20) + `":{"properties":{` + numbered(`"%04d":{"type":"string"}`, 2990) + `}}}}`,
	"DeepPlaces":    nest(`{"not":`, `{"allOf":[`+numbered(`{"title":"%d"}`, 900)+`]}`, `}`, 120),
	"LongKey":       `{"properties":{"` + spaces(30_000) + `":{"properties":{` + numbered(`"%d":{}`, 1000) + `}}}}`,
	"Chain":         chainOf(2990, `{"default":1}`),
	"Wrong":         `{"properties":{` + numbered(`"k%d":{"type":"q","minLength":"x","maxLength":"a","title":1,"required":1,"not":1}`, 1490) + `}}`,
	"Enum":          `{"enum":[` + numbered(`%d`, 75_000) + `]}`,
	"EnumOfZeros":   `{"enum":[0` + strings.Repeat(`,0`, 250_000) + `]}`,
	"Required":      `{"required":[` + numbered(`"k%d"`, 50_000) + `]}`,
	"Colliding":     `{"required":[` + colliding() + `]}`,
	"Dependent":     `{"dependentRequired":{` + numbered(`"k%d":1`, 40_000) + `}}`,
	"Patterns":      `{"patternProperties":{` + numbered(`"^k%d(a|b)*$":{}`, 900) + `}}`,
}

// form is a schema of objects in objects, each with so many properties.
func form(objects, properties int) string {
	inner := `{"type":"string"}`
	for i := range objects {
		inner = `{"type":"object","properties":{` + numbered(`"property_%d":{"type":"string","default":"","maxLength":40}`, properties-1) +
			fmt.Sprintf(`,"object_%d":`, i) + inner + `}}`
	}
	return inner
}

// TestCompileHostile: whatever is sent as a schema, the library gets a bounded number of schemas to
// compare with each other, and little is kept.
func TestCompileHostile(t *testing.T) {
	for name, text := range slowTexts {
		t.Run(name, func(t *testing.T) {
			before := heap()
			s, err := schema.Compile([]byte(text), largest)
			kept := heap() - before
			t.Logf("%d bytes, %d KiB are kept, %.150v", len(text), kept>>10, err)
			if err != nil {
				checkError(t, err, settings.ErrSchema)
			} else if n, err := schema.Schemas(text); err != nil || n > schema.MaxSchemas {
				t.Errorf("%d schemas, %v", n, err)
			}
			if kept > 20<<20 {
				t.Errorf("%d MiB", kept>>20)
			}
			runtime.KeepAlive(s)
		})
	}
}

// TestCostIsCountedOnce: what a schema costs is found by following each reference once, however
// many ways lead through it.
func TestCostIsCountedOnce(t *testing.T) {
	t.Parallel()
	for _, keyword := range []string{"allOf", "anyOf", "oneOf"} {
		visits, schemas, err := schema.CostVisits(doubling(keyword, 30))
		checkError(t, err, settings.ErrSchema)
		if visits > 2*schemas {
			t.Errorf("%s: %d references are followed in %d schemas", keyword, visits, schemas)
		}
	}
	// As many as there may be are taken: 2^12 times the last one, and the ways to there.
	visits, schemas, err := schema.CostVisits(doubling("allOf", 11))
	if checkError(t, err, nil); visits > 2*schemas {
		t.Errorf("%d references are followed in %d schemas", visits, schemas)
	}
}

// TestLargeForm: what people may come to write is taken.
func TestLargeForm(t *testing.T) {
	t.Parallel()
	s, err := schema.Compile([]byte(form(10, 290)), largest)
	checkError(t, err, nil)
	got, err := s.Effective([]byte(`{}`), largest.Bytes)
	checkError(t, err, nil)
	checkError(t, s.Check(got), nil)
}

func BenchmarkCompileHostile(b *testing.B) {
	for name, text := range slowTexts {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = schema.Compile([]byte(text), largest)
			}
		})
	}
}
