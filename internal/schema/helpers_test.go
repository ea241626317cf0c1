package schema_test

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/outset-settings/outset/internal/schema"
	"github.com/outset-settings/outset/internal/settings"
)

var limits = settings.DefaultLimits

// compiled compiles a schema that must be right.
func compiled(t testing.TB, text string) *schema.Schema {
	t.Helper()
	s, err := schema.Compile([]byte(text), limits)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// named are the errors of which every error wraps exactly one.
var named = []error{
	settings.ErrMalformed, settings.ErrInvalid, settings.ErrTooLarge, settings.ErrNotFound,
	settings.ErrNotApplicable, settings.ErrSchema, settings.ErrViolation,
}

func checkNamed(t *testing.T, err error) {
	t.Helper()
	n := 0
	for _, name := range named {
		if errors.Is(err, name) {
			n++
		}
	}
	if n != 1 {
		t.Fatalf("%v wraps %d of the named errors", err, n)
	}
}

// checkError wants an error that wraps no other named error than want, or none.
func checkError(t *testing.T, err, want error) {
	t.Helper()
	if want == nil && err == nil {
		return
	}
	if want == nil || err == nil || !errors.Is(err, want) {
		t.Fatalf("the error is %v, want %v", err, want)
	}
	checkNamed(t, err)
}

func tokens(pointer string) []string { return slices.Collect(jsontext.Pointer(pointer).Tokens()) }

// fill repeats the part until the document has half as many bytes as it may have.
func fill(before, part, after string) string {
	n := (limits.Bytes/2 - len(before) - len(after)) / len(part)
	return before + strings.Repeat(part, n) + after
}

// wide is a document with many values.
func wide() string { return fill(`{"a":[1`, `,1`, `]}`) }

// deepest is a document with many values, as deep as they may be.
func deepest() string {
	const levels = 31
	head, tail := strings.Repeat(`{"a":`, levels-1), strings.Repeat(`}`, levels-1)
	return fill(head+`[1`, `,1`, `]`+tail)
}

// keys is a document with many keys.
func keys(value string) string {
	var b strings.Builder
	for i := 0; b.Len() < limits.Bytes/2-40; i++ {
		fmt.Fprintf(&b, `,"%x":%s`, i, value)
	}
	return `{` + b.String()[1:] + `}`
}

// allocated is what f allocates altogether, so it can't run beside others.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// heap is what is live.
func heap() int64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC() // the second empties the pools that the first has only put aside
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
