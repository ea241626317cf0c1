package jsontree

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// checkScan: where the tree can be built, a scan finds the same bytes as the tree.
func checkScan(t *testing.T, text []byte, path []string) {
	t.Helper()
	before := bytes.Clone(text)
	got, err := Scan(text, path)
	if !bytes.Equal(text, before) {
		t.Fatalf("the text was changed from %q to %q", before, text)
	}
	d, malformed := Parse(text)
	if malformed != nil {
		return
	}
	want := d.Root.Find(path)
	switch {
	case err != nil:
		t.Fatalf("%q at %q: %v", text, path, err)
	case want == nil && got != nil:
		t.Fatalf("%q at %q: %q is found, and the tree has none", text, path, got)
	case want != nil && string(got) != want.Spelling():
		t.Fatalf("%q at %q: %q, want %q", text, path, got, want.Spelling())
	}
}

// everywhere calls f with the paths of all values in the tree, and with some that lead nowhere.
func everywhere(n *Node, path []string, f func(path []string)) {
	f(path)
	below := func(token string, n *Node) { everywhere(n, append(slices.Clip(path), token), f) }
	for _, token := range []string{"", "-", "00", "+0", "-1", "none", "99999999999999999999"} {
		f(append(slices.Clip(path), token))
	}
	switch {
	case n.Object != nil:
		for m := range n.Object.Members() {
			below(m.Key, &m.Value)
		}
	case n.Array != nil:
		f(append(slices.Clip(path), fmt.Sprint(n.Array.Len())))
		for i, element := range n.Array.Nodes() {
			below(fmt.Sprint(i), element)
		}
	default:
		f(append(slices.Clip(path), "0"))
	}
}

// repeated has so many members of one key, between others.
func repeated(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"a":%d,"%d":{"b":[%[1]d]},`, i, i)
	}
	return "{" + strings.TrimSuffix(b.String(), ",") + "}"
}

// TestScan: a scan finds whatever the tree finds, and nothing else.
func TestScan(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{}`, `[]`, `1`, `"x"`, `null`, " \n{ \"a\" : [ 1.0 , {\"b\":\t-0e1 } ] }\r\n",
		`{"\u0061":{"/":1,"~":"\ud83d\ude00","":[[],{},""]},"a\\":true}`, `[[[0],1],[{"0":[2]}]]`,
		`{"\\":1,"\"":2,"é":3,"\u00e9x":4}`, repeated(3), repeated(2 * many),
	} {
		d, err := Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		everywhere(&d.Root, nil, func(path []string) { checkScan(t, []byte(text), path) })
	}
}

// TestScanMalformed: what is read must be JSON.
func TestScanMalformed(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		``, ` `, `{`, `{"a"`, `{"a":`, `{"b":1`, `{"b":1,`, `{"b" 1}`, `{"b":nul,"a":1}`, `{"a":nul}`,
		`{"b":"\ud83d","a":1}`, "{\"b\":\"\xff\",\"a\":1}", `nul`, `[`, `}`,
	} {
		value, err := Scan([]byte(text), []string{"a"})
		if err == nil || !strings.HasPrefix(err.Error(), ErrMalformed.Error()) {
			t.Errorf("%q: %q, %v", text, value, err)
		}
	}
	if value, err := Scan([]byte(`{"a":[1,2],nonsense`), []string{"a", "1"}); string(value) != "2" {
		t.Errorf("before what is wrong: %q, %v", value, err)
	}
}

func FuzzScan(f *testing.F) {
	for _, path := range []string{"", "/a", "/a/0", "/a/1/b", "/0/0", "//", "/~0~1", "/a/-"} {
		for _, text := range []string{
			`{"a":[1,{"b":null}],"":{"~/":"\ud83d\ude00"}}`, `[[0],{}]`, `{"a":1,"\u0061":[2]}`, `{"a"`,
		} {
			f.Add([]byte(text), path)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, pointer string) {
		checkScan(t, text, slices.Collect(jsontext.Pointer(pointer).Tokens()))
		if d, err := Parse(text); err == nil && len(text) < 1<<10 {
			everywhere(&d.Root, nil, func(path []string) { checkScan(t, text, path) })
		}
	})
}

// BenchmarkScan reads a value of 64 KiB, the first and the last, beside the tree.
func BenchmarkScan(b *testing.B) {
	var text []byte
	for i := range 900 {
		text = fmt.Appendf(text, `,"key%d":{"enabled":true,"name":"some text","sizes":[1,2.5,%d]}`, i, i)
	}
	text = append([]byte{'{'}, append(text[1:], '}')...)
	for name, path := range map[string][]string{
		"first": {"key0", "sizes", "2"}, "last": {"key899", "sizes", "2"}, "none": {"key900"},
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Scan(text, path); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"-tree", func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				d, err := Parse(text)
				if err != nil {
					b.Fatal(err)
				}
				_ = d.Root.Find(path)
			}
		})
	}
}
