package jsontree

import (
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// Node is a JSON value that can be edited. What no edit touches is written as it was read, byte for
// byte. (tailscale/hujson edits in place, too, but finds a member by looking at all of them, tests
// numbers for equality as doubles and has no merge patch. evanphx/json-patch encodes anew, and
// tidwall/sjson takes invalid JSON.)
type Node struct {
	Object *Object // what is in an object; nil if it isn't one
	Array  *Array  // what is in an array; nil if it isn't one
	spelt  string  // without white space around it; out of date once something in it is edited
}

// Raw returns the value with this spelling, which is not taken apart: nobody can step into it.
func Raw(spelling string) Node { return Node{spelt: spelling} }

// NewObject returns an object without members.
func NewObject() *Node { return &Node{spelt: "{}", Object: newObject(nil, "")} }

// Spelling returns the bytes of a value in which nothing has been edited.
func (n *Node) Spelling() string { return n.spelt }

// Says returns what a string says; ok is false for other values.
func (n *Node) Says() (says string, ok bool) {
	if n.Kind() != '"' {
		return "", false
	}
	says, err := Unquote(n.spelt)
	return says, err == nil
}

// Kind is that of the value, '0' for every number.
func (n *Node) Kind() jsontext.Kind {
	first := n.spelt[0]
	if first == '-' || '0' <= first && first <= '9' {
		return '0'
	}
	return jsontext.Kind(first)
}

func (n *Node) write(to []byte) []byte {
	switch {
	case n.Object != nil:
		return n.Object.write(to)
	case n.Array != nil:
		return n.Array.write(to)
	}
	return append(to, n.spelt...)
}

// Clone returns a value that is edited apart from this one.
func (n *Node) Clone() Node {
	c := *n
	if n.Object != nil {
		c.Object = n.Object.Clone()
	}
	if n.Array != nil {
		c.Array = n.Array.Clone()
	}
	return c
}

// valueWeight is what each value weighs in addition to its bytes, since it takes some 200 bytes of
// memory however short it is. With this figure no value weighs more than 4 times its bytes in a
// document: the shortest have one, and a comma.
const valueWeight = 6

// Weight is that of a copy: the bytes that it is written with, and valueWeight for each value in
// it.
func (n *Node) Weight() int {
	switch {
	case n.Object != nil:
		return valueWeight + n.Object.Weight()
	case n.Array != nil:
		return valueWeight + n.Array.Weight()
	}
	return valueWeight + len(n.spelt)
}

// Child returns the value that a token of a path leads to, or nil if there is none. It
// is good until the next edit.
func (n *Node) Child(token string) *Node {
	switch {
	case n.Object != nil:
		return n.Object.Get(token)
	case n.Array != nil:
		if i, ok := index(token); ok && i < n.Array.length {
			return n.Array.At(i)
		}
	}
	return nil
}

// Find returns the value at the path, or nil if there is none.
func (n *Node) Find(path []string) *Node {
	for _, token := range path {
		if n = n.Child(token); n == nil {
			return nil
		}
	}
	return n
}

// Insert does what "add" does in a JSON patch: it sets a member of an object, or inserts into an
// array.
func (n *Node) Insert(token string, value Node) error {
	switch {
	case n.Object != nil:
		n.Object.Set(token, value)
		return nil
	case n.Array == nil:
		return fmt.Errorf("%q is to go into a %s", Short(token), n.Kind())
	}
	i, ok := index(token)
	if token == "-" {
		i, ok = n.Array.length, true
	}
	if !ok || i > n.Array.length {
		return fmt.Errorf("%q is not an index in an array of %d", Short(token), n.Array.length)
	}
	n.Array.insert(i, value)
	return nil
}

// Remove takes out the value that the token leads to.
func (n *Node) Remove(token string) (value Node, ok bool) {
	child := n.Child(token)
	if child == nil {
		return Node{}, false
	}
	value = *child
	if n.Object != nil {
		n.Object.Remove(token)
	} else {
		i, _ := index(token) // Child has found it
		n.Array.remove(i)
	}
	return value, true
}

// WithoutNulls returns the value without the members that are null, in itself and in objects in it.
// Arrays stay as they are, null elements included.
func (n *Node) WithoutNulls() Node {
	if n.Object == nil {
		return Node{spelt: n.spelt}
	}
	o := *n.Object
	o.members = nil
	for m := range n.Object.Members() {
		if m.Value.Kind() != 'n' {
			kept := *m
			kept.Value = m.Value.WithoutNulls()
			o.members = append(o.members, kept)
		}
	}
	o.size = len(o.members)
	if o.size == 0 && n.Object.size > 0 {
		return Node{spelt: "{}"}
	}
	return Node{spelt: n.spelt, Object: &o}
}

// index reads the index of an array's element: digits without leading zeros (RFC 6901 section 4).
func index(token string) (int, bool) {
	i, err := strconv.Atoi(token)
	if err != nil || token[0] < '0' || token[0] > '9' || len(token) > 1 && token[0] == '0' {
		return 0, false
	}
	return i, true
}

// gapAfter returns what parts a second member or element from the first, so that it looks like
// that.
func gapAfter(start string) string { return "," + start }
