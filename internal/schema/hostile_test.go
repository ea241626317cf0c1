package schema_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/outset-settings/outset/internal/schema"
	"github.com/outset-settings/outset/internal/settings"
)

// trial is a schema and a document that are made to take long, each within the limits.
type trial struct{ schema, document string }

// chainOf is n schemas each of which refers to the next, the last of which says something.
func chainOf(n int, last string) string {
	var b strings.Builder
	b.WriteString(`{"$ref":"#/$defs/0","$defs":{`)
	for i := range n {
		fmt.Fprintf(&b, `"%d":{"$ref":"#/$defs/%d"},`, i, i+1)
	}
	fmt.Fprintf(&b, `"%d":%s}}`, n, last)
	return b.String()
}

func repeated(before, part, after string, n int) string {
	return before + strings.Repeat(part+",", n-1) + part + after
}

func numbered(format string, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

func nest(head, inner, tail string, n int) string {
	return strings.Repeat(head, n) + inner + strings.Repeat(tail, n)
}

const wideItems = `{"properties":{"a":{"items":%s}}}`

var trials = map[string]trial{
	"TinyBounds":      {fmt.Sprintf(wideItems, `{"minimum":1e-308,"maximum":1e308,"multipleOf":1.7e-307}`), fill(`{"a":[1`, `,12e-300`, `]}`)},
	"Tiniest":         {fmt.Sprintf(wideItems, `{"minimum":1e-999999,"multipleOf":1e-300,"type":"integer"}`), fill(`{"a":[1`, `,1e-999999`, `]}`)},
	"TinyEnum":        {fmt.Sprintf(wideItems, `{"enum":[`+repeated("", "1e-300", "", 4000)+`]}`), fill(`{"a":[1`, `,1e-299`, `]}`)},
	"LargeEnum":       {fmt.Sprintf(wideItems, `{"enum":[`+numbered("%d", 9000)+`]}`), fill(`{"a":[1`, `,9999`, `]}`)},
	"EnumOfObjects":   {fmt.Sprintf(wideItems, `{"enum":[`+numbered(`{"x":[1,2,3],"y":%d}`, 2000)+`]}`), fill(`{"a":[1`, `,{"x":[1,2,3],"y":"z"}`, `]}`)},
	"UniqueNumbers":   {`{"properties":{"a":{"uniqueItems":true}}}`, `{"a":[` + numbered(`%d.5`, 8000) + `]}`},
	"UniqueObjects":   {`{"properties":{"a":{"uniqueItems":true}}}`, `{"a":[` + numbered(`{"x":%d}`, 5000) + `]}`},
	"UniqueColliding": {`{"properties":{"a":{"uniqueItems":true}}}`, `{"a":[` + colliding() + `]}`},
	"UniqueNested":    {`{"$ref":"#/$defs/u","$defs":{"u":{"uniqueItems":true,"items":{"$ref":"#/$defs/u"},"additionalProperties":{"$ref":"#/$defs/u"}}}}`, `{"a":` + nest(`[`, numbered(`%d`, 10000), `]`, 17) + `}`},
	"ChildTwice":      {`{"allOf":[{"properties":{"a":{"$ref":"#"}}},{"properties":{"a":{"$ref":"#"}}}]}`, nest(`{"a":`, `1`, `}`, 32)},
	"PatternTwice":    {`{"properties":{"a":{"$ref":"#"}},"patternProperties":{"a":{"$ref":"#"}}}`, nest(`{"a":`, `1`, `}`, 32)},
	"ContainsTwice":   {`{"additionalProperties":{"$ref":"#"},"items":{"$ref":"#"},"contains":{"$ref":"#"}}`, `{"a":` + nest(`[`, `1`, `]`, 31) + `}`},
	"UnevaluatedAgain": {
		`{"$ref":"#/$defs/x","$defs":{"x":{"unevaluatedProperties":{"$ref":"#/$defs/x"},"allOf":[{"patternProperties":{"a":{"$ref":"#/$defs/x"}}}],"type":["object"]}}}`,
		nest(`{"a":`, `1`, `}`, 32),
	},
	"LongChain":        {chainOf(50, `{"additionalProperties":{"items":{"$ref":"#"}}}`), wide()},
	"LongChainDeep":    {chainOf(50, `{"additionalProperties":{"$ref":"#"}}`), nest(`{"a":`, `1`, `}`, 32)},
	"ManyFaults":       {fmt.Sprintf(wideItems, `{"type":"string"}`), wide()},
	"DeepFaults":       {`{"additionalProperties":{"$ref":"#"},"items":{"allOf":[{"type":"string"},{"minimum":5}]}}`, deepest()},
	"LongKeysInEnums":  {`{"properties":{"a":{"$ref":"#/$defs/a09"}},"$defs":{` + doublings("allOf", 9, `{"enum":[1]}`) + `}}`, `{"a":{` + numbered(`"`+strings.Repeat("k", 250)+`%d":1`, 250) + `}}`},
	"ManyMissing":      {fmt.Sprintf(wideItems, `{"required":[`+numbered(`"%d"`, 7000)+`]}`), fill(`{"a":[{}`, `,{}`, `]}`)},
	"AnyOfMany":        {fmt.Sprintf(wideItems, `{"anyOf":[`+numbered(`{"const":%d}`, 6)+`]}`), fill(`{"a":[1`, `,99`, `]}`)},
	"OneOfMany":        {`{"additionalProperties":{"oneOf":[` + numbered(`{"required":["x%d"],"properties":{"k":{"const":%[1]d}}}`, 6) + `]}}`, keys(`{"k":1}`)},
	"ManyKeys":         {`{"additionalProperties":false}`, keys("1")},
	"Names":            {`{"propertyNames":{"pattern":"^[a-z]+$","minLength":3}}`, keys("1")},
	"ManyPatterns":     {`{"patternProperties":{` + numbered(`"%d[a-z]+x":{"type":"string"}`, 10) + `}}`, keys("1")},
	"SlowEnough":       {fmt.Sprintf(wideItems, `{"pattern":"(x?){11}y"}`), `{"a":["` + strings.Repeat("x", 60_000) + `"]}`},
	"LongString":       {fmt.Sprintf(wideItems, `{"allOf":[`+repeated("", `{"minLength":3,"maxLength":4}`, "", 240)+`]}`), `{"a":["` + strings.Repeat("é", 30_000) + `"]}`},
	"Unevaluated":      {`{"allOf":[` + numbered(`{"properties":{"x%d":{}}}`, 30) + `],"unevaluatedProperties":false}`, keys("1")},
	"UnevaluatedItems": {`{"properties":{"a":{"allOf":[` + repeated("", `{"contains":{"const":2}}`, "", 3) + `],"unevaluatedItems":{"type":"string"}}}}`, fill(`{"a":[1`, `,12`, `]}`)},
}

// longPaths holds documents of any depth to something.
const longPaths = `{"$ref":"#/$defs/v","$defs":{"v":{"additionalProperties":{"$ref":"#/$defs/v"},"items":{"type":"string"}}}}`

// longKeys is a document of so many levels, with a list of so many wrong values in it: all paths
// together have hundreds of megabytes.
func longKeys(levels, n int) string {
	return nest(`{"`+strings.Repeat("k", 250)+`":`, `[0`+strings.Repeat(",0", n-1)+`]`, `}`, levels)
}

// doublings are definitions, each of which says twice what the one before does.
func doublings(word string, n int, first string) string {
	var b strings.Builder
	b.WriteString(`"a00":` + first)
	for i := range n {
		next := `{"$ref":"#/$defs/` + level(i) + `"}`
		b.WriteString(`,"` + level(i+1) + `":{"` + word + `":[` + next + `,` + next + `]}`)
	}
	return b.String()
}

// colliding are different values that a careless hash takes for the same.
func colliding() string {
	var all []string
	for i := range 1 << 11 {
		var b strings.Builder
		b.WriteString(`["x`)
		for bit := range 11 {
			if i>>bit&1 == 1 {
				b.WriteString(`\u0004`)
			} else {
				b.WriteString(`","`)
			}
		}
		all = append(all, b.String()+`"]`)
		if len(all)*80 > limits.Bytes {
			break
		}
	}
	return strings.Join(all, ",")
}

// TestCheckHostile: whatever the document, checking it costs a bounded number of evaluations, and
// what is wrong is found and worded in a bounded memory. Not parallel: allocations are those of the
// process.
func TestCheckHostile(t *testing.T) {
	const most = 256 << 20 // bytes, garbage and all; the worst takes two thirds of it
	for name, c := range trials {
		t.Run(name, func(t *testing.T) {
			checkError(t, limits.Check([]byte(c.document)), nil)
			s := compiled(t, c.schema)
			var (
				work int
				err  error
			)
			bytes := allocated(func() { work, err = s.Work([]byte(c.document)) })
			t.Logf("%d evaluations, %d KiB: %.150v", work, bytes>>10, err)
			if err != nil {
				checkNamed(t, err)
			}
			// The last thing that is counted may be a document of 32,768 values.
			if work > schema.MaxWork+3*limits.Bytes || bytes > most {
				t.Errorf("%d evaluations, %d MiB", work, bytes>>20)
			}
		})
	}
}

// TestLongPaths: what a document's paths add up to is no memory, however deep a deployment lets it
// be.
func TestLongPaths(t *testing.T) {
	s := compiled(t, longPaths)
	for levels, n := range map[int]int{31: 28_000, 120: 4_000} {
		document := []byte(longKeys(levels, n))
		var err error
		got := allocated(func() { err = s.Check(document) })
		checkError(t, err, settings.ErrViolation)
		t.Logf("%d levels, %d bytes: %d KiB", levels, len(document), got>>10)
		if got > 64<<20 {
			t.Errorf("%d levels take %d MiB", levels, got>>20)
		}
	}
}

// BenchmarkSchemaHostile measures the check, not the compilation.
func BenchmarkSchemaHostile(b *testing.B) {
	for name, j := range trials {
		b.Run(name, func(b *testing.B) {
			s, document := compiled(b, j.schema), []byte(j.document)
			b.ReportAllocs()
			for b.Loop() {
				_ = s.Check(document)
			}
		})
	}
}

// TestViolationsAreBounded: in number, and in bytes at whole characters.
func TestViolationsAreBounded(t *testing.T) {
	t.Parallel()
	const n = schema.MaxViolations
	long := strings.Repeat("é", 120)
	s := compiled(t, `{"additionalProperties":{"$ref":"#/$defs/`+long+`"},"$defs":{"`+long+`":{"enum":["`+strings.Repeat("ö", 1000)+`"],"additionalProperties":{"$ref":"#"}}}}`)
	for count, more := range map[int]bool{1: false, n: false, n + 1: true, 5000: true} {
		document := `{` + numbered(`"%d":1`, count) + `}`
		if wrong := bounded(t, s, document); wrong.More != more ||
			len(wrong.Violations) != min(count, n) {
			t.Fatalf("%d: %+v", count, wrong)
		}
	}
	_ = bounded(t, s, `{"x":`+nest(`{"`+long+`":`, `1`, `}`, 8)+`}`)
}

func bounded(t *testing.T, s *schema.Schema, document string) *schema.ViolationError {
	t.Helper()
	var wrong *schema.ViolationError
	if err := s.Check([]byte(document)); !errors.As(err, &wrong) {
		t.Fatal(err)
	}
	for _, v := range wrong.Violations {
		if !utf8.ValidString(v.Pointer + v.Reason) {
			t.Errorf("%q, %q", v.Pointer, v.Reason)
		}
	}
	checkViolations(t, wrong, document)
	return wrong
}

// TestEffectiveHostile: defaults take a bounded number of steps and bytes, however they refer to
// each other.
func TestEffectiveHostile(t *testing.T) {
	t.Parallel()
	branches := `{"properties":{"z":{"default":0},` + numbered(`"k%d":{"$ref":"#"}`, 2000) + `}}`
	objects := keys(`{}`)
	for name, c := range map[string]struct {
		trial
		want error
	}{
		"Branches":        {trial{branches, `{"k0":{"k1":{"k2":{}}}}`}, nil},
		"BranchesInMany":  {trial{branches, `{` + numbered(`"k%d":{}`, 2000) + `}`}, settings.ErrTooLarge},
		"Deep":            {trial{`{"properties":{"a":{"$ref":"#"},"d":{"default":1}}}`, nest(`{"a":`, `{}`, `}`, 31)}, nil},
		"LargeInEach":     {trial{`{"properties":{` + numbered(`"%x":{"properties":{"v":{"default":"`+strings.Repeat("x", 100)+`"}}}`, 400) + `}}`, objects}, settings.ErrTooLarge},
		"LargeObjects":    {trial{`{"$defs":{"d":{"default":{"v":[` + numbered("%d", 4000) + `]},"properties":{"w":{"default":1}}}},"properties":{"a":{"$ref":"#/$defs/d"},"b":{"properties":{"c":{"$ref":"#/$defs/d"}}}}}`, `{"a":1}`}, nil},
		"Chain":           {trial{chainOf(50, `{"properties":{"a":{"$ref":"#"},"b":{"default":1}}}`), nest(`{"a":`, `{}`, `}`, 31)}, nil},
		"ManyWhiteSpaces": {trial{`{"properties":{"a":{"default":1},"b":{"default":1}}}`, `{` + spaces(60_000) + `}`}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := compiled(t, c.schema)
			steps, err := s.Steps([]byte(c.document), limits.Bytes)
			t.Logf("%d steps, %v", steps, err)
			if checkError(t, err, c.want); steps > schema.MaxSteps+1 {
				t.Errorf("it took %d steps", steps)
			}
		})
	}
}
