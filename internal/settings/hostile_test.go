package settings_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/outset-settings/outset/internal/settings"
)

// attack is a document and a patch that are made to take long. Both are as large as they may be,
// since a change is applied while rows are locked.
type attack struct {
	document string
	method   maker
	body     string
}

// fill repeats the part as often as there is room for.
func fill(before, part, after string) string {
	n := (limits.Bytes - len(before) - len(after)) / len(part)
	return before + strings.Repeat(part, n) + after
}

// operations is a patch of those in turns, as many as there is room for.
func operations(first string, turns ...string) string {
	part := "," + strings.Join(turns, ",")
	return fill("["+first, part, "]")
}

func wide() string { return fill(`{"a":[1`, `,1`, `]}`) }

func deepest() string {
	const levels = 31
	head, tail := strings.Repeat(`{"a":`, levels-1), strings.Repeat(`}`, levels-1)
	return fill(head+`[1`, `,1`, `]`+tail)
}

func keys(value string) string {
	var b strings.Builder
	for i := 0; b.Len() < limits.Bytes-40; i++ {
		fmt.Fprintf(&b, `,"%x":%s`, i, value)
	}
	return `{` + b.String()[1:] + `}`
}

const remove, add = `{"op":"remove","path":"/a/0"}`, `{"op":"add","path":"/a/0","value":1}`

var attacks = map[string]attack{
	"MergeManyKeys":    {keys("1"), limits.MergePatch, keys("2")},
	"MergeManyNulls":   {keys("1"), limits.MergePatch, keys("null")},
	"MergeManyObjects": {keys("{}"), limits.MergePatch, keys("{}")},
	"MergeDeepest":     {deepest(), limits.MergePatch, strings.Repeat(`{"a":`, 30) + `1` + strings.Repeat(`}`, 30)},
	"MergeEscapes":     {fill(`{"a":"`, `\u0061`, `"}`), limits.MergePatch, fill(`{"b":"`, `\u0061`, `"}`)},
	"RemoveFirst":      {wide(), limits.JSONPatch, operations(remove, remove)},
	"AddFirst":         {wide(), limits.JSONPatch, operations(add, add)},
	"AddAndRemove":     {wide(), limits.JSONPatch, operations(add, remove, add)},
	"MoveToTheEnd":     {wide(), limits.JSONPatch, operations(add, `{"op":"move","from":"/a/0","path":"/a/-"}`)},
	"RemoveKeys":       {keys("1"), limits.JSONPatch, removals()},
	"SetOneKey":        {keys("1"), limits.JSONPatch, operations(`{"op":"add","path":"/k","value":1}`, `{"op":"remove","path":"/k"}`, `{"op":"add","path":"/k","value":1}`)},
	"TestTheWhole":     {wide(), limits.JSONPatch, fill(`[{"op":"test","path":"","value":{"a":[1`, `,1`, `]}}]`)},
	"TestOften":        {wide(), limits.JSONPatch, operations(`{"op":"test","path":"/a/0","value":1}`, `{"op":"test","path":"/a/30000","value":1}`)},
	"TestStrings":      {fill(`{"a":["`, `\u0061`, `"]}`), limits.JSONPatch, operations(`{"op":"test","path":"/a","value":["a"]}`, `{"op":"test","path":"/a","value":["a"]}`)},
	"TestContainers":   {fill(`{"a":[[]`, `,[]`, `]}`), limits.JSONPatch, fill(`[{"op":"test","path":"/a","value":[[]`, `,[]`, `]}]`)},
	"Deepest":          {deepest(), limits.JSONPatch, operations(`{"op":"test","path":"`+strings.Repeat("/a", 30)+`/0","value":1}`, `{"op":"add","path":"`+strings.Repeat("/a", 30)+`/0","value":1}`)},
	"CopyDoubling":     {wide(), limits.JSONPatch, operations(`{"op":"copy","from":"","path":"/b"}`, `{"op":"copy","from":"","path":"/c"}`)},
	"CopySmallBomb":    {`{"a":"aaaaaaaaaa"}`, limits.JSONPatch, operations(`{"op":"copy","from":"","path":"/b"}`, `{"op":"copy","from":"","path":"/c"}`)},
	"CopyOverAndOver":  {wide(), limits.JSONPatch, operations(`{"op":"copy","from":"/a","path":"/b"}`, `{"op":"add","path":"/b/0","value":1}`, `{"op":"copy","from":"/a","path":"/b"}`)},
	"CopyAndDescend":   {deepest(), limits.JSONPatch, operations(`{"op":"copy","from":"/a","path":"/b"}`, `{"op":"add","path":"/b`+strings.Repeat("/a", 29)+`/0","value":1}`, `{"op":"copy","from":"/a","path":"/b"}`)},
	"LongPaths":        {`{}`, limits.JSONPatch, operations(`{"op":"add","path":"/a","value":1}`, `{"op":"add","path":"`+strings.Repeat("/a", 400)+`","value":1}`)},
	"Nesting":          {`{"a":{}}`, limits.JSONPatch, operations(`{"op":"add","path":"/b","value":{}}`, `{"op":"move","from":"/a","path":"/b/a"}`, `{"op":"move","from":"/b","path":"/a"}`, `{"op":"add","path":"/b","value":{}}`)},
	"SetInWide":        {wide(), setter("a", "-"), `1`},
	"SetInDeepest":     {deepest(), setter(append(strings.Split(strings.Repeat("a", 30), ""), "0")...), `1`},
}

func removals() string {
	var b strings.Builder
	for i := 0; b.Len() < limits.Bytes-60; i++ {
		fmt.Fprintf(&b, `,{"op":"remove","path":"/%x"}`, i)
	}
	return `[` + b.String()[1:] + `]`
}

// TestHostile is coarse, for it runs on whatever is at hand and beside others: it finds what
// is quadratic, which takes seconds. The benchmark has the figures.
func TestHostile(t *testing.T) {
	t.Parallel()
	for name, a := range attacks {
		t.Run(name, func(t *testing.T) { // one after the other: it is about time
			if len(a.document) > limits.Bytes || len(a.body) > limits.Bytes {
				t.Fatalf("the attack itself is too large: %d, %d", len(a.document), len(a.body))
			}
			checkError(t, limits.Check([]byte(a.document)), nil)
			change, err := a.method([]byte(a.body))
			checkError(t, err, nil)
			start := time.Now()
			if _, err = change([]byte(a.document)); err != nil {
				checkNamed(t, err)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestCopiesAreBounded(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"CopyDoubling", "CopySmallBomb", "CopyOverAndOver"} {
		_, err := outcome(attacks[name].method, attacks[name].document, attacks[name].body)
		checkError(t, err, settings.ErrTooLarge)
	}
}

// BenchmarkHostile measures what happens while rows are locked, as BenchmarkChange does.
func BenchmarkHostile(b *testing.B) {
	for name, a := range attacks {
		b.Run(name, func(b *testing.B) { benchmark(b, a) })
	}
}

func BenchmarkChange(b *testing.B) {
	document := `{"theme":"dark","language":"fr","notifications":{"email":true,"push":false,"hours":[8,20]},` +
		`"editor":{"font":"mono","size":12.5,"wrap":true},"recent":["a","b","c"],"pad":"` + strings.Repeat("x", 200) + `"}`
	for _, c := range []struct {
		name string
		attack
	}{
		{"Merge", attack{document, limits.MergePatch, `{"theme":"light"}`}},
		{"MergeDeep", attack{document, limits.MergePatch, `{"editor":{"size":13}}`}},
		{"Patch", attack{document, limits.JSONPatch, `[{"op":"replace","path":"/theme","value":"light"}]`}},
		{"Set", attack{document, setter("editor", "size"), `13`}},
		{"Replace", attack{document, limits.Replace, document}},
	} {
		b.Run(c.name, func(b *testing.B) { benchmark(b, c.attack) })
	}
	b.Run("MakeMerge", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := limits.MergePatch([]byte(`{"theme":"light"}`)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Value", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := settings.Value([]byte(document), []string{"editor", "size"}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func benchmark(b *testing.B, a attack) {
	b.Helper()
	change, err := a.method([]byte(a.body))
	if err != nil {
		b.Fatal(err)
	}
	document := []byte(a.document)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = change(document)
	}
}
