package client

import (
	"fmt"
	"strings"
)

// Path is the way to a value inside a document: the key of an object or the index in an array,
// level by level. Behind the last element of an array is "-".
type Path []string

// ParsePath reads a JSON pointer (RFC 6901), whose first slash may be left out: "editor/font/size".
// A slash in a key is spelt ~1 and a tilde ~0. "" is the whole document, which is no path to a
// value.
func ParsePath(pointer string) (Path, error) {
	if pointer == "" {
		return nil, nil
	}
	p := Path(strings.Split(strings.TrimPrefix(pointer, "/"), "/"))
	for i, token := range p {
		if rest := strings.NewReplacer("~0", "", "~1", "").Replace(token); strings.Contains(rest,
			"~") {
			return nil, fmt.Errorf("%w: in the path %q a tilde is followed by neither 0 nor 1",
				ErrMalformed, pointer)
		}
		p[i] = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
	}
	return p, nil
}

// String is the path as a JSON pointer.
func (p Path) String() string {
	var b strings.Builder
	for _, token := range p {
		b.WriteString("/" + strings.ReplaceAll(strings.ReplaceAll(token, "~", "~0"), "/", "~1"))
	}
	return b.String()
}

// escaped is the path as a part of an address.
func (p Path) escaped() string {
	var b strings.Builder
	for _, token := range p {
		b.WriteString("/" + segment(token))
	}
	return b.String()
}

// in refuses an operation on the value at no path at all: its address is that of the whole
// document.
func (p Path) in(o Operation) Operation {
	if len(p) == 0 && o.err == nil {
		o.err = fmt.Errorf("%w: the path is empty", ErrMalformed)
	}
	return o
}
