package settings_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/outset-settings/outset/internal/settings"
)

// attack is a document and a patch that are made to take long. Both are as large as they may be,
// since a change is applied while rows are locked.
type attack struct {
	document string
	method   maker
	body     string
}

// fill repeats the part as often as it fits.
func fill(before, part, after string) string {
	n := (limits.Bytes - len(before) - len(after)) / len(part)
	return before + strings.Repeat(part, n) + after
}

// operations is a patch of those in turns, as many as fit.
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
	"MergeManyKeys":       {keys("1"), limits.MergePatch, keys("2")},
	"MergeManyNulls":      {keys("1"), limits.MergePatch, keys("null")},
	"MergeManyObjects":    {keys("{}"), limits.MergePatch, keys("{}")},
	"MergeDeepest":        {deepest(), limits.MergePatch, strings.Repeat(`{"a":`, 30) + `1` + strings.Repeat(`}`, 30)},
	"MergeEscapes":        {fill(`{"a":"`, `\u0061`, `"}`), limits.MergePatch, fill(`{"b":"`, `\u0061`, `"}`)},
	"RemoveFirst":         {wide(), limits.JSONPatch, operations(remove, remove)},
	"AddFirst":            {wide(), limits.JSONPatch, operations(add, add)},
	"AddAndRemove":        {wide(), limits.JSONPatch, operations(add, remove, add)},
	"MoveToTheEnd":        {wide(), limits.JSONPatch, operations(add, `{"op":"move","from":"/a/0","path":"/a/-"}`)},
	"RemoveKeys":          {keys("1"), limits.JSONPatch, removals()},
	"SetOneKey":           {keys("1"), limits.JSONPatch, operations(`{"op":"add","path":"/k","value":1}`, `{"op":"remove","path":"/k"}`, `{"op":"add","path":"/k","value":1}`)},
	"TestTheWhole":        {wide(), limits.JSONPatch, fill(`[{"op":"test","path":"","value":{"a":[1`, `,1`, `]}}]`)},
	"TestOften":           {wide(), limits.JSONPatch, operations(`{"op":"test","path":"/a/0","value":1}`, `{"op":"test","path":"/a/30000","value":1}`)},
	"TestStrings":         {fill(`{"a":["`, `\u0061`, `"]}`), limits.JSONPatch, operations(`{"op":"test","path":"/a","value":["a"]}`, `{"op":"test","path":"/a","value":["a"]}`)},
	"TestContainers":      {fill(`{"a":[[]`, `,[]`, `]}`), limits.JSONPatch, fill(`[{"op":"test","path":"/a","value":[[]`, `,[]`, `]}]`)},
	"Deepest":             {deepest(), limits.JSONPatch, operations(`{"op":"test","path":"`+strings.Repeat("/a", 30)+`/0","value":1}`, `{"op":"add","path":"`+strings.Repeat("/a", 30)+`/0","value":1}`)},
	"CopyDoubling":        {wide(), limits.JSONPatch, operations(`{"op":"copy","from":"","path":"/b"}`, `{"op":"copy","from":"","path":"/c"}`)},
	"CopySmallBomb":       {`{"a":"aaaaaaaaaa"}`, limits.JSONPatch, operations(`{"op":"copy","from":"","path":"/b"}`, `{"op":"copy","from":"","path":"/c"}`)},
	"CopyOverAndOver":     {wide(), limits.JSONPatch, operations(`{"op":"copy","from":"/a","path":"/b"}`, `{"op":"add","path":"/b/0","value":1}`, `{"op":"copy","from":"/a","path":"/b"}`)},
	"CopyAndDescend":      {deepest(), limits.JSONPatch, operations(`{"op":"copy","from":"/a","path":"/b"}`, `{"op":"add","path":"/b`+strings.Repeat("/a", 29)+`/0","value":1}`, `{"op":"copy","from":"/a","path":"/b"}`)},
	"LongPaths":           {`{}`, limits.JSONPatch, operations(`{"op":"add","path":"/a","value":1}`, `{"op":"add","path":"`+strings.Repeat("/a", 400)+`","value":1}`)},
	"Nesting":             {`{"a":{}}`, limits.JSONPatch, operations(`{"op":"add","path":"/b","value":{}}`, `{"op":"move","from":"/a","path":"/b/a"}`, `{"op":"move","from":"/b","path":"/a"}`, `{"op":"add","path":"/b","value":{}}`)},
	"CopyEmptiedObject":   {`{}`, limits.JSONPatch, bomb(1400, "", 13)},
	"CopyEmptiedInCopies": {`{}`, limits.JSONPatch, bomb(1400, "/b", 60)},
	"CopyEmptiedArray":    {`{}`, limits.JSONPatch, arrayBomb(1400, 100)},
	"CopyAlmostEmptied":   {keys("1"), limits.JSONPatch, almostEmptied(1700, 100)},
	"CopyDenseArrays":     {densest("[", "]"), limits.JSONPatch, operations(`{"op":"copy","from":"/a","path":"/b"}`, `{"op":"copy","from":"/a","path":"/b"}`)},
	"CopyDenseObjects":    {densest(`{"":`, "}"), limits.JSONPatch, operations(`{"op":"copy","from":"/a","path":"/b"}`, `{"op":"copy","from":"/a","path":"/b"}`)},
	"CopyEmptyObjects":    {fill(`{"a":[{}`, `,{}`, `]}`), limits.JSONPatch, operations(`{"op":"copy","from":"/a","path":"/b"}`, `{"op":"copy","from":"/a","path":"/b"}`)},
	"CopyIntoEach":        {fill(`{"o":{},"a":[[]`, `,[]`, `]}`), limits.JSONPatch, operations(`{"op":"copy","from":"/o","path":"/a/0/-"}`, `{"op":"copy","from":"/a/0","path":"/o/a"}`)},
	"AddDenseArrays":      {`{}`, limits.JSONPatch, fill(`[{"op":"add","path":"/b","value":[1`, `,`+chain("[", "]"), `]}]`)},
	"MergeDenseArrays":    {densest("[", "]"), limits.MergePatch, densest("[", "]")},
	"MergeDenseObjects":   {densest(`{"":`, "}"), limits.MergePatch, densest(`{"":`, "}")},
	"SetInWide":           {wide(), setter("a", "-"), `1`},
	"SetInDeepest":        {deepest(), setter(append(strings.Split(strings.Repeat("a", 30), ""), "0")...), `1`},
}

// tooLarge are the attacks that copy more than any document may have.
var tooLarge = []string{
	"CopyDoubling", "CopySmallBomb", "CopyOverAndOver", "CopyEmptiedInCopies", "CopyEmptiedArray",
	"CopyDenseArrays", "CopyDenseObjects", "CopyEmptyObjects", "CopyIntoEach",
}

func removals() string {
	var b strings.Builder
	for i := 0; b.Len() < limits.Bytes-60; i++ {
		fmt.Fprintf(&b, `,{"op":"remove","path":"/%x"}`, i)
	}
	return `[` + b.String()[1:] + `]`
}

// chain is a value that is as deep as may be inside an array of the document, and as dense.
func chain(head, tail string) string {
	levels := limits.Depth - 2
	return strings.Repeat(head, levels-1) + head[:1] + strings.Repeat(tail, levels)
}

func densest(head, tail string) string {
	part := `,` + chain(head, tail)
	n := limits.Bytes/len(part) - 1
	if head[0] == '{' {
		n = min(n, limits.Keys/limits.Depth)
	}
	return `{"a":[1` + strings.Repeat(part, n) + `]}`
}

// bomb empties an object of n keys and then copies it into one, mostly itself, k times over: what
// comes of it doubles each time, unless what has been removed is copied as well.
func bomb(n int, into string, k int) string {
	var b strings.Builder
	b.WriteString(`[{"op":"add","path":"/b","value":{}},{"op":"add","path":"/a","value":{"0":1`)
	for i := 1; i < n; i++ {
		fmt.Fprintf(&b, `,"%x":1`, i)
	}
	b.WriteString(`}}`)
	for i := range n {
		fmt.Fprintf(&b, `,{"op":"remove","path":"/a/%x"}`, i)
	}
	for i := range k {
		if into == "" {
			fmt.Fprintf(&b, `,{"op":"copy","from":"/a","path":"/a/z%d"}`, i)
		} else {
			fmt.Fprintf(&b, `,{"op":"copy","from":"/a","path":"%s/x%d"},{"op":"copy","from":"%s","path":"%s/y%d"}`, into, i, into, into, i)
		}
	}
	b.WriteString(`,{"op":"remove","path":"/a"},{"op":"remove","path":"/b"}]`)
	return b.String()
}

// arrayBomb is the same for an array.
func arrayBomb(n, k int) string {
	return `[{"op":"add","path":"/a","value":[1` + strings.Repeat(`,1`, n-1) + `]}` +
		strings.Repeat(`,{"op":"remove","path":"/a/0"}`, n) +
		strings.Repeat(`,{"op":"copy","from":"/a","path":"/a/-"}`, k) + `,{"op":"remove","path":"/a"}]`
}

// almostEmptied removes the first n of the keys and copies what is left.
func almostEmptied(n, k int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,{"op":"remove","path":"/%x"}`, i)
	}
	for i := range k {
		fmt.Fprintf(&b, `,{"op":"copy","from":"","path":"/z%d"}`, i)
	}
	return `[` + b.String()[1:] + `]`
}

// allocated is what f allocates altogether, so it can't run beside others.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestHostile: a change takes a bounded multiple of the limit in memory, garbage and all. The worst
// of these takes two thirds of what is allowed here. (That each step is short, however many there
// are, is tested where it is done: in package jsontree. The benchmark has the time.) Not parallel:
// allocations are those of the process.
func TestHostile(t *testing.T) {
	const most = 16 << 20
	for name, a := range attacks {
		t.Run(name, func(t *testing.T) {
			if len(a.document) > limits.Bytes || len(a.body) > limits.Bytes {
				t.Fatalf("the attack itself is too large: %d, %d", len(a.document), len(a.body))
			}
			checkError(t, limits.Check([]byte(a.document)), nil)
			change, err := a.method([]byte(a.body))
			checkError(t, err, nil)
			document := []byte(a.document)
			got := allocated(func() { _, err = change(document) })
			if err != nil {
				checkNamed(t, err)
			}
			if slices.Contains(tooLarge, name) {
				checkError(t, err, settings.ErrTooLarge)
			}
			t.Logf("%d KiB, %v", got>>10, err)
			if got > most {
				t.Errorf("it allocates %d MiB", got>>20)
			}
		})
	}
}

// TestWaitingChanges: a change that waits for its turn has little more than its body.
func TestWaitingChanges(t *testing.T) {
	const waiting, most = 12, 1 << 10 // so many that what else goes on in the heap does not count
	for _, name := range []string{
		"MergeManyKeys", "MergeDenseArrays", "AddDenseArrays",
		"RemoveKeys",
	} {
		changes, body := make([]settings.Change, waiting), []byte(attacks[name].body)
		kept := live()
		for i := range changes {
			var err error
			changes[i], err = attacks[name].method(body)
			checkError(t, err, nil)
		}
		if kept = live() - kept; kept > waiting*most {
			t.Errorf("%s: a change keeps %d bytes beside its body", name, kept/waiting)
		}
		runtime.KeepAlive(changes)
	}
}

func live() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // the second empties the pools that the first has only put aside
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestCopiesThatFit: no copy is refused if what comes of it is within the limits, however dense it
// is.
func TestCopiesThatFit(t *testing.T) {
	t.Parallel()
	deep := chain("[", "]")
	for name, value := range map[string]string{
		"a number":    `1`,
		"numbers":     `[` + strings.Repeat(`1,`, 500) + `1]`,
		"arrays":      `[` + strings.Repeat(`[],`, 333) + `[]]`,
		"deep arrays": `[` + strings.Repeat(deep[1:len(deep)-1]+`,`, 16) + `1]`,
		"one number":  `[` + strings.Repeat(`[1],`, 250) + `[1]]`,
		"empty keys":  `[` + strings.Repeat(`{"":1},`, 142) + `1]`,
		"white space": `[1` + strings.Repeat(" \n", 400) + `,[1]]`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			document := `{"a":[` + value + `]}`
			copies := min((limits.Bytes-len(document))/len(`,`+value), limits.Bytes/len(`,`+copyToEnd)-1)
			patch := `[` + strings.Repeat(copyToEnd+`,`, copies-1) + copyToEnd + `]`
			want := `{"a":[` + strings.Repeat(value+`,`, copies) + value + `]}`
			checkOutcome(t, limits.JSONPatch, document, patch, want, nil)
		})
	}
}

const copyToEnd = `{"op":"copy","from":"/a/0","path":"/a/-"}`

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
