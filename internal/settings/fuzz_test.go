package settings_test

import (
	"bytes"
	"sync"
	"testing"

	"github.com/outset-settings/outset/internal/settings"
)

// checkChange: a change that was made never panics, leaves its input alone, does the same again,
// and makes a settings document of one.
func checkChange(t *testing.T, change settings.Change, document []byte) (next settings.Next,
	ok bool,
) {
	t.Helper()
	before := bytes.Clone(document)
	next, err := change(document)
	if !bytes.Equal(before, document) {
		t.Fatalf("the document was changed from %q to %q", before, document)
	}
	again, errAgain := change(document)
	if (err == nil) != (errAgain == nil) || !bytes.Equal(next.Document, again.Document) ||
		next.Created != again.Created {
		t.Fatalf("first %q, %v; then %q, %v", next.Document, err, again.Document, errAgain)
	}
	if err != nil {
		checkNamed(t, err)
		return next, false
	}
	if next.Document != nil && limits.Check(document) == nil {
		checkError(t, limits.Check(next.Document), nil)
	}
	return next, true
}

// TestChangesAreShared is for the race detector: a change may be applied by several goroutines.
func TestChangesAreShared(t *testing.T) {
	t.Parallel()
	documents := []string{`{}`, `{"a":[1,{"x":1}]}`, `{"a":{"b":{"y":2}}}`, pretty}
	for body, method := range map[string]maker{
		`{"a":{"b":{"c":1,"d":null}},"tags":[1],"nested":{"one":{"two":null}}}`: limits.MergePatch,
		`[{"op":"add","path":"/v","value":{"x":[]}},{"op":"add","path":"/v/x/-","value":{}},{"op":"add","path":"/v/x/0/y","value":1},` +
			`{"op":"test","path":"/v","value":{"x":[{"y":1}]}}]`: limits.JSONPatch,
		`{"z":[1]}`: setter("new", "-"),
	} {
		change, err := method([]byte(body))
		checkError(t, err, nil)
		var all sync.WaitGroup
		for i := range 16 {
			all.Go(func() { checkChange(t, change, []byte(documents[i%len(documents)])) })
		}
		all.Wait()
	}
}

func fuzzBody(f *testing.F, method maker, seeds ...string) {
	f.Helper()
	for _, document := range []string{`{}`, pretty, `{"a":[1,{"b":null}],"":{"~":"\ud83d\ude00"}}`, `[1]`, "", `{"a":1,"a":2}`} {
		for _, seed := range seeds {
			f.Add([]byte(document), []byte(seed))
		}
	}
	f.Fuzz(func(t *testing.T, document, body []byte) {
		before := bytes.Clone(body)
		change, err := method(body)
		if err != nil {
			checkNamed(t, err)
			return
		}
		if next, ok := checkChange(t, change, document); ok {
			checkError(t, limits.Check(next.Document), nil)
		}
		if !bytes.Equal(before, body) {
			t.Fatalf("the body was changed from %q to %q", before, body)
		}
	})
}

func FuzzMergePatch(f *testing.F) {
	fuzzBody(f, limits.MergePatch, `{}`, `{"a":null}`, `{"a":{"b":{"c":null}},"nested":{"one":2}}`, `[]`, `{"a":[null]}`)
}

func FuzzJSONPatch(f *testing.F) {
	fuzzBody(f, limits.JSONPatch, `[]`,
		`[{"op":"add","path":"/a/-","value":{"b":1}},{"op":"move","from":"/a","path":"/b"}]`,
		`[{"op":"copy","from":"","path":"/x"},{"op":"test","path":"/x","value":{}}]`,
		`[{"op":"remove","path":"/a/0"},{"op":"replace","path":"/a/0","value":1e0}]`,
		`[{"op":"test","path":"/size","value":11e-1},{"op":"remove","path":"/~0~1"}]`)
}

// FuzzValue: what is set can be read where it was placed, and deleted.
func FuzzValue(f *testing.F) {
	for _, path := range []string{``, `/a`, `/a/-`, `/a/0`, `/a/1/b`, `/-/-`, `/x/-/y`, `//`, `/~0~1`} {
		f.Add([]byte(`{"a":[1,{"b":null}]}`), path, []byte(` [1.0] `))
		f.Add([]byte(pretty), path, []byte(`"\u0061"`))
	}
	f.Fuzz(func(t *testing.T, document []byte, pointer string, value []byte) {
		path := tokens(pointer)
		if _, err := settings.Value(document, path); err != nil {
			checkNamed(t, err)
		}
		checkChange(t, settings.DeleteValue(path), document)
		change, err := limits.SetValue(path, value)
		if err != nil {
			checkNamed(t, err)
			return
		}
		next, ok := checkChange(t, change, document)
		if !ok {
			return
		}
		placed := settings.Placed(next.Document, path)
		got, err := settings.Value(next.Document, placed)
		if err != nil || !bytes.Equal(got, bytes.Trim(value, " \t\r\n")) {
			t.Fatalf("set %q at %q in %q, placed at %q, and read %q, %v", value, path, document,
				placed, got, err)
		}
		if len(placed) == 0 {
			return
		}
		if _, err := settings.DeleteValue(placed)(next.Document); err != nil {
			t.Fatalf("what was set can't be deleted: %v", err)
		}
	})
}
