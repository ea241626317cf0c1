package settings

import (
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// node is a JSON value that may be edited: all of it that no edit touches is written as it was
// read, byte for byte. (No library edits in place like this: evanphx/json-patch encodes anew,
// tidwall/sjson takes invalid JSON.)
type node struct {
	spelt  string  // without white space around; out of date once something in it is edited
	object *object // what is in it, taken apart, unless it never is stepped into
	array  *array
}

// kind is that of the value, '0' for every number.
func (n *node) kind() jsontext.Kind {
	first := n.spelt[0]
	if first == '-' || '0' <= first && first <= '9' {
		return '0'
	}
	return jsontext.Kind(first)
}

func (n *node) write(to []byte) []byte {
	switch {
	case n.object != nil:
		return n.object.write(to)
	case n.array != nil:
		return n.array.write(to)
	}
	return append(to, n.spelt...)
}

// clone returns a value that is edited apart from this one.
func (n *node) clone() node {
	c := *n
	if n.object != nil {
		c.object = n.object.clone()
	}
	if n.array != nil {
		c.array = n.array.clone()
	}
	return c
}

// valueWeight is what each value weighs on top of its bytes, for in memory it has some 200 however
// short it is. It is chosen so that no value weighs more than maxCopies times the bytes it comes to
// in a document: the shortest have one, and a comma.
const valueWeight = 6

// weight is that of a copy: the bytes that it is written with, and valueWeight for each value in
// it.
func (n *node) weight() int {
	switch {
	case n.object != nil:
		return valueWeight + n.object.weight()
	case n.array != nil:
		return valueWeight + n.array.weight()
	}
	return valueWeight + len(n.spelt)
}

// child returns the value that a token of a path leads to, or nil if there is none. It
// is good until the next edit.
func (n *node) child(token string) *node {
	switch {
	case n.object != nil:
		return n.object.get(token)
	case n.array != nil:
		if i, ok := index(token); ok && i < n.array.length {
			return n.array.at(i)
		}
	}
	return nil
}

// find returns the value at the path, or nil if there is none.
func (n *node) find(path []string) *node {
	for _, token := range path {
		if n = n.child(token); n == nil {
			return nil
		}
	}
	return n
}

// insert does what "add" does in a JSON patch: it sets a member of an object, or makes room in an
// array.
func (n *node) insert(token string, value node) error {
	switch {
	case n.object != nil:
		n.object.set(token, value)
		return nil
	case n.array == nil:
		return fmt.Errorf("%w: %q is to go into a %s", ErrNotApplicable, short(token), n.kind())
	}
	i, ok := index(token)
	if token == "-" {
		i, ok = n.array.length, true
	}
	if !ok || i > n.array.length {
		return fmt.Errorf("%w: %q is no place in an array of %d", ErrNotApplicable, short(token),
			n.array.length)
	}
	n.array.insert(i, value)
	return nil
}

// remove takes out the value that the token leads to.
func (n *node) remove(token string) (value node, ok bool) {
	child := n.child(token)
	if child == nil {
		return node{}, false
	}
	value = *child
	if n.object != nil {
		n.object.remove(token)
	} else {
		i, _ := index(token) // child has understood it
		n.array.remove(i)
	}
	return value, true
}

// index reads the index of an array's element: digits without leading zeros (RFC 6901 section 4).
func index(token string) (int, bool) {
	i, err := strconv.Atoi(token)
	if err != nil || token[0] < '0' || token[0] > '9' || len(token) > 1 && token[0] == '0' {
		return 0, false
	}
	return i, true
}

// short is for error messages: what came in a request may have any length.
func short(s string) string {
	const enough = 100
	if len(s) > enough {
		return s[:enough] + "…"
	}
	return s
}

// gapAfter returns what parts a second member or element from the first, so that it looks like
// that.
func gapAfter(start string) string { return "," + start }
