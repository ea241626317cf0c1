package settings_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/outset-settings/outset/internal/settings"
)

// largest are the limits of the deployment that allows most.
var largest = settings.Limits{Bytes: 512 << 10, Depth: 128, Keys: 50_000}

var slowTexts = map[string]string{
	"Form":          form(10, 290),
	"EqualKeys":     `{"properties":{"` + strings.Repeat("k", 80) + `":{"properties":{` + numbered(`"%04d":{}`, 2990) + `}}}}`,
	"References":    `{"properties":{"` + strings.Repeat("k", 80) + `":{"properties":{` + numbered(`"%04d":{"$ref":"#"}`, 2990) + `}}}}`,
	"EscapedPlaces": `{"properties":{"` + spaces(20) + `":{"properties":{` + numbered(`"%04d":{"type":"string"}`, 2990) + `}}}}`,
	"DeepPlaces":    nest(`{"not":`, `{"allOf":[`+numbered(`{"title":"%d"}`, 900)+`]}`, `}`, 120),
	"DeepKeys":      nest(`{"properties":{"`+strings.Repeat("k", 200)+`":`, `{"properties":{`+numbered(`"%d":{}`, 4000)+`}}`, `}}`, 40),
	"LongKey":       `{"properties":{"` + spaces(30_000) + `":{"properties":{` + numbered(`"%d":{}`, 1000) + `}}}}`,
	"Chain":         chainOf(2990, `{"default":1}`),
	"Wrong":         `{"properties":{` + numbered(`"k%d":{"type":"q","minLength":"x","maxLength":"a","title":1,"required":1,"not":1}`, 1490) + `}}`,
	"WrongInAnyOf":  `{"anyOf":[` + numbered(`%d`, 2990) + `]}`,
	"Enum":          `{"enum":[` + numbered(`%d`, 75_000) + `]}`,
	"EnumOfZeros":   `{"enum":[0` + strings.Repeat(`,0`, 250_000) + `]}`,
	"Default":       `{"default":[0` + strings.Repeat(`,0`, 90_000) + `]}`,
	"Required":      `{"required":[` + numbered(`"k%d"`, 50_000) + `]}`,
	"Colliding":     `{"required":[` + colliding() + `]}`,
	"Dependent":     `{"dependentRequired":{` + numbered(`"k%d":1`, 40_000) + `}}`,
	"Patterns":      `{"patternProperties":{` + numbered(`"^k%d(a|b)*$":{}`, 1200) + `}}`,
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

// TestCompileHostile is as coarse as TestHostile, too: whatever is sent as a schema, it takes some
// 0.1 s, and keeps little.
func TestCompileHostile(t *testing.T) {
	for name, text := range slowTexts {
		t.Run(name, func(t *testing.T) {
			before := heap()
			start := time.Now()
			s, err := largest.Schema([]byte(text))
			took := time.Since(start)
			kept := heap() - before
			t.Logf("%d bytes: %v, %d KiB are kept, %.150v", len(text), took, kept>>10, err)
			if err != nil {
				checkError(t, err, settings.ErrSchema)
			}
			if took > 2*time.Second || kept > 20<<20 {
				t.Errorf("%v, %d MiB", took, kept>>20)
			}
			runtime.KeepAlive(s)
		})
	}
}

func heap() int64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// TestLargeForm: what people may come to write is taken.
func TestLargeForm(t *testing.T) {
	t.Parallel()
	for _, text := range []string{form(10, 50), form(10, 290), form(1, 2900)} {
		s, err := largest.Schema([]byte(text))
		checkError(t, err, nil)
		got, err := s.Effective([]byte(`{}`), largest.Bytes)
		checkError(t, err, nil)
		checkError(t, s.Check(got), nil)
	}
}

func BenchmarkCompileHostile(b *testing.B) {
	for name, text := range slowTexts {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = largest.Schema([]byte(text))
			}
		})
	}
}
