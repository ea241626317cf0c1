package settings

import (
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/outset-settings/outset/internal/jsontree"
)

// SetValue returns the change that puts a JSON value at the path. Missing parents are
// made: an array before "-", which appends to an array, else an object.
func (l Limits) SetValue(path []string, value []byte) (Change, error) {
	found, err := l.survey(value, l.Depth)
	if err != nil {
		return nil, err
	}
	if err := l.fits(path, found); err != nil {
		return nil, err
	}
	path, spelt := slices.Clone(path), string(jsontree.Trim(value))
	return func(current []byte) (Next, error) {
		d, err := jsontree.ParseTo(current, len(path))
		if err != nil {
			return Next{}, err
		}
		created, err := put(&d.Root, path, spelt)
		if err != nil {
			return Next{}, err
		}
		return l.within(&d, created)
	}, nil
}

// fits checks what can be checked before the document is known.
func (l Limits) fits(path []string, value survey) error {
	if len(path) == 0 {
		if err := value.object(); err != nil {
			return err
		}
	}
	if len(path)+value.depth > l.Depth {
		return fmt.Errorf("%w: the document would be nested deeper than %d levels", ErrInvalid,
			l.Depth)
	}
	for _, key := range path {
		if !utf8.ValidString(key) {
			return fmt.Errorf("%w: the path is not UTF-8", ErrMalformed)
		}
		if len(jsontree.Quote(key))-len(`""`) > MaxKey {
			return fmt.Errorf("%w: a key is over %d bytes", ErrInvalid, MaxKey)
		}
	}
	return l.keys(value)
}

// put sets the value at the path and reports whether there was none.
func put(n *jsontree.Node, path []string, value string) (created bool, err error) {
	for i, token := range path {
		child := n.Child(token)
		if child == nil {
			return true, insert(n, token, jsontree.Raw(wrap(path[i+1:], value)))
		}
		n = child
	}
	*n = jsontree.Raw(value)
	return false, nil
}

// wrap makes the parents that the path leads through.
func wrap(path []string, value string) string {
	var head, tail []byte
	for _, token := range path {
		if token == "-" {
			head, tail = append(head, '['), append(tail, ']')
		} else {
			head, tail = append(append(append(head, '{'), jsontree.Quote(token)...), ':'),
				append(tail, '}')
		}
	}
	slices.Reverse(tail)
	return string(head) + value + string(tail)
}

// DeleteValue returns the change that removes the value at the path. It fails with
// ErrNotFound if there is none. Without a path the value is the whole document, see [Delete].
func DeleteValue(path []string) Change {
	if len(path) == 0 {
		return Delete
	}
	path = slices.Clone(path)
	parent, last := path[:len(path)-1], path[len(path)-1]
	return func(current []byte) (Next, error) {
		d, err := jsontree.ParseTo(current, len(path))
		if err != nil {
			return Next{}, err
		}
		n := d.Root.Find(parent)
		if n == nil {
			return Next{}, notFound(path)
		}
		if _, ok := n.Remove(last); !ok {
			return Next{}, notFound(path)
		}
		return next(&d, false), nil
	}
}

// Value returns the bytes of the value at the path, which are a part of the document, or
// ErrNotFound.
func Value(document []byte, path []string) ([]byte, error) {
	value, err := jsontree.Scan(document, path)
	if err == nil && value == nil {
		err = notFound(path)
	}
	return value, err
}

// Placed returns the path at which SetValue has put a value in the document that it made: path,
// with the index of the last element in place of each "-" that appended to an array.
func Placed(document []byte, path []string) []string {
	placed := slices.Clone(path)
	d, err := jsontree.ParseTo(document, len(path))
	if err != nil {
		return placed
	}
	n := &d.Root
	for i, token := range placed {
		if n.Array != nil && token == "-" {
			placed[i] = strconv.Itoa(n.Array.Len() - 1)
		}
		if n = n.Child(placed[i]); n == nil {
			break
		}
	}
	return placed
}

func notFound(path []string) error {
	return fmt.Errorf("%w: there is no value at %q", ErrNotFound,
		jsontree.Short(jsontree.Pointer(path...)))
}
