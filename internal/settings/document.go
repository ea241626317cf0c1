package settings

import (
	"errors"
	"fmt"
)

// roomToGrow is what most changes add at most; without it the text would be copied while it is
// written.
const roomToGrow = 256

// document is one that is being edited.
type document struct {
	before, after string // white space around it
	root          node
}

// edit begins to edit a text, which isn't changed.
func edit(spelt []byte) (d document, err error) {
	d.before, d.root, d.after, err = parse(spelt)
	return d, err
}

// next returns what has become of the document.
func (d *document) next(created bool) Next {
	text := make([]byte, 0, len(d.before)+len(d.root.spelt)+len(d.after)+roomToGrow)
	text = append(text, d.before...)
	return Next{Document: append(d.root.write(text), d.after...), Created: created}
}

// within returns what has become of the document if that is within the limits.
func (l Limits) within(d *document, created bool) (Next, error) {
	next := d.next(created)
	if size := len(next.Document); size > l.Bytes {
		return Next{}, fmt.Errorf("%w: the document would have %d bytes, and at most %d are allowed", ErrTooLarge, size, l.Bytes)
	}
	err := l.Check(next.Document)
	if errors.Is(err, errDeep) {
		// The body wasn't, so it can be told from what is no JSON.
		err = fmt.Errorf("%w: the document would be nested deeper than %d levels", ErrInvalid,
			l.Depth)
	}
	if err != nil {
		return Next{}, err
	}
	return next, nil
}
