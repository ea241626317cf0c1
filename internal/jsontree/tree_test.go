package jsontree

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// array parses a list of n ones.
func array(t *testing.T, n int) *Node {
	t.Helper()
	d, err := Parse([]byte("[" + strings.TrimSuffix(strings.Repeat("1,", n), ",") + "]"))
	if err != nil {
		t.Fatal(err)
	}
	return &d.Root
}

// TestBlocksStayShort: an insertion or a removal moves the elements of one block, so blocks must
// stay short, and few enough to be counted through.
func TestBlocksStayShort(t *testing.T) {
	t.Parallel()
	const n = 20_000
	for name, at := range map[string]func(a *Array, i int) int{
		"first": func(*Array, int) int { return 0 },
		"last":  func(a *Array, _ int) int { return a.Len() },
		"any":   func(a *Array, i int) int { return i * 7919 % (a.Len() + 1) },
	} {
		a := array(t, 0).Array
		for i := range n {
			a.insert(at(a, i), Raw("2"))
		}
		checkBlocks(t, name, a, n)
	}
	a := array(t, n).Array
	checkBlocks(t, "read", a, n)
	for range n - 1 {
		a.remove(0)
	}
	checkBlocks(t, "removed", a, 1)
}

func checkBlocks(t *testing.T, name string, a *Array, n int) {
	t.Helper()
	sum := 0
	for _, part := range a.blocks {
		if sum += len(part); len(part) == 0 || len(part) >= 2*block {
			t.Fatalf("%s: a block has %d elements", name, len(part))
		}
	}
	if sum != n || a.Len() != n || len(a.blocks) > 2*n/block+2 {
		t.Errorf("%s: %d elements in %d blocks, want %d", name, sum, len(a.blocks), n)
	}
}

// TestRemovedMembersGo: no more removed members are kept than others, so looking through all of
// them doesn't take longer than it took to remove them.
func TestRemovedMembersGo(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	const n = 5_000
	for i := range n {
		fmt.Fprintf(&b, `,"%d":1`, i)
	}
	d, err := Parse([]byte("{" + b.String()[1:] + "}"))
	if err != nil {
		t.Fatal(err)
	}
	o := d.Root.Object
	for i := range n {
		o.Remove(fmt.Sprint(i))
		if len(o.members) > 2*o.Len() {
			t.Fatalf("%d members are kept for %d", len(o.members), o.Len())
		}
	}
	if got := string(d.Bytes()); got != "{}" {
		t.Errorf("got %s", got)
	}
}

// TestBytesAreKept: what is only parsed is written as it was.
func TestBytesAreKept(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		" {\n \"a\" : 1.10 , \"\\u0062\":[ 1 ,\t-0 ] }\r\n", "[]", "[ ]", "{ }", "null ", `{"a":1,"a":2}`,
	} {
		d, err := Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		clone := d.Root.Clone()
		if got := string(d.Bytes()); got != text {
			t.Errorf("got %q, want %q", got, text)
		}
		if got := string(clone.write(nil)); got != strings.TrimSpace(text) {
			t.Errorf("the clone is %q, want %q", got, text)
		}
	}
}

// TestParseTo: down to its last level a text is taken apart as by Parse; what is deeper is one
// value with all of its bytes, and checked.
func TestParseTo(t *testing.T) {
	t.Parallel()
	const text = " {\"a\": {\"b\" :[ {\"c\":{} }, [ ] ],\"d\":\"x\"} , \"e\":[]}\n"
	paths := [][]string{{}, {"a"}, {"a", "b"}, {"a", "b", "0"}, {"a", "b", "0", "c"}, {"a", "d"}, {"e"}}
	whole, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for levels := range 7 {
		d, err := ParseTo([]byte(text), levels)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(d.Bytes()); got != text {
			t.Errorf("%d levels: %q", levels, got)
		}
		for _, path := range paths {
			n := d.Root.Find(path)
			if (n != nil) != (len(path) <= levels) {
				t.Errorf("%d levels: %q is found: %v", levels, path, n != nil)
			} else if want := whole.Root.Find(path); n != nil && n.Spelling() != want.Spelling() {
				t.Errorf("%d levels: %q at %q, want %q", levels, n.Spelling(), path, want.Spelling())
			}
		}
		objects, err := ParseObjects([]byte(text), levels)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(objects.Bytes()); got != text {
			t.Errorf("%d levels of objects: %q", levels, got)
		}
		for i, want := range []bool{true, levels >= 1, levels >= 2, false, false} {
			if got := objects.Root.Find(paths[i]) != nil; got != want {
				t.Errorf("%d levels of objects: %q is found: %v", levels, paths[i], got)
			}
		}
		for _, read := range []func([]byte, int) (Document, error){ParseTo, ParseObjects} {
			if _, err := read([]byte(`{"a":[{"b":tru}]}`), levels); !errors.Is(err, ErrMalformed) {
				t.Errorf("%d levels, malformed below: %v", levels, err)
			}
		}
	}
}
