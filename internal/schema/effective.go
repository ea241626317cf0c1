package schema

import (
	"fmt"
	"slices"

	"github.com/outset-settings/outset/internal/jsontree"
	"github.com/outset-settings/outset/internal/settings"
)

const (
	// maxSteps is how many declarations may be followed for one document, at some 100 ns each. The
	// bytes that are added don't bound that: most declarations may add nothing.
	maxSteps = 300_000
	// maxLevels is how deep a document may become: twice as deep as documents may be.
	maxLevels = 256
	// maxGap is how many bytes of white space an added member copies from its neighbor.
	maxGap = 100
)

// Effective returns the document with the schema's defaults: what it lacks is added after what it
// has, in the order of the schema's text and spelt as there. What it has stays as it is, null
// included. Defaults are what "default" gives for a property, for one inside it, and for the whole;
// "$ref" and "allOf" are followed, "$dynamicRef" isn't, and the first default counts. A value that
// would be a part of itself, as in a tree, is not added. If there is nothing to add, the result is
// document itself. Effective fails with ErrTooLarge if the result would have more than most bytes,
// or is too much work. It doesn't panic.
func (s *Schema) Effective(document []byte, most int) ([]byte, error) {
	laid, _, err := s.lay(document, most)
	return laid, err
}

// lay is Effective, and also returns how many steps it took.
func (s *Schema) lay(document []byte, most int) (laid []byte, steps int, err error) {
	defer settings.Survive(&err)
	l := overlay{most: most, left: most - len(document), steps: maxSteps}
	if s != nil && s.defaults != nil {
		document, err = l.document(document, s.defaults)
	}
	if err == nil && len(document) > most {
		err = tooLarge(most)
	}
	if err != nil {
		document = nil
	}
	return document, maxSteps - l.steps, err
}

func tooLarge(most int) error {
	return fmt.Errorf("%w: with the schema's defaults the document would have more than %d bytes",
		settings.ErrTooLarge, most)
}

// overlay adds defaults to one document, and counts what that may still cost. It goes through the
// document along the declarations, not along the document's members.
type overlay struct {
	most  int            // bytes of the result
	left  int            // bytes that may still be added
	steps int            // that may still be taken
	added int            // members
	path  []declarations // of the current value and of those that it is in
}

// document lays a document over the defaults of the whole schema.
func (l *overlay) document(document []byte, root *declaration) ([]byte, error) {
	d, err := jsontree.Parse(document)
	if err != nil || d.Root.Object == nil {
		return document, err
	}
	err = l.whole(&d.Root, declarations(nil).follow(root, &l.steps))
	if err != nil || l.added == 0 {
		return document, err
	}
	return d.Bytes(), nil
}

// whole lays the document over the default of the whole as well, which no property has.
func (l *overlay) whole(document *jsontree.Node, all declarations) error {
	if value := all.value(); value != nil && value.Object != nil {
		if err := l.over(document.Object, value.Object); err != nil {
			return err
		}
	}
	return l.lay(document.Object, all)
}

// over lays an object over a default.
func (l *overlay) over(object, value *jsontree.Object) error {
	for m := range value.Members() {
		child := object.Get(m.Key)
		switch {
		case child == nil:
			if err := l.add(object, m.Name, m.Key, m.Value.Clone(),
				len(m.Value.Spelling())); err != nil {
				return err
			}
		case child.Object != nil && m.Value.Object != nil:
			if err := l.over(child.Object, m.Value.Object); err != nil {
				return err
			}
		}
	}
	return nil
}

// lay adds what the object lacks.
func (l *overlay) lay(object *jsontree.Object, all declarations) error {
	l.path = append(l.path, all)
	defer func() { l.path = l.path[:len(l.path)-1] }()
	if len(l.path) > maxLevels {
		return fmt.Errorf(
			"%w: with the schema's defaults the document would be nested deeper than %d levels",
			settings.ErrTooLarge, maxLevels)
	}
	members := all.members(&l.steps)
	for i := range members {
		if err := l.member(object, &members[i]); err != nil {
			return err
		}
	}
	if l.steps < 0 {
		return fmt.Errorf("%w: to lay the document over the schema's defaults is too much work",
			settings.ErrTooLarge)
	}
	return nil
}

func (l *overlay) member(object *jsontree.Object, m *declaredMember) error {
	if child := object.Get(m.key); child != nil {
		if child.Object == nil || m.from.bare() {
			return nil
		}
		return l.lay(child.Object, m.from)
	}
	if !m.from.bare() && l.inside(m.from) {
		return nil // it would be a part of itself
	}
	value, bytes, err := l.make(m.from)
	if err != nil || value == nil {
		return err
	}
	return l.add(object, m.name, m.key, *value, bytes)
}

// inside reports whether the current value, or one that it is in, has the same declarations.
func (l *overlay) inside(all declarations) bool {
	for _, outer := range l.path {
		if l.steps -= 1 + min(len(all), len(outer))/comparedOfOne; slices.Equal(outer, all) {
			return true
		}
	}
	return false
}

// make returns the default value, nil if there is none, and how many of its bytes are not counted
// yet.
func (l *overlay) make(all declarations) (made *jsontree.Node, bytes int, err error) {
	value := all.value()
	switch {
	case value == nil:
		made, bytes = jsontree.NewObject(), len(settings.Empty)
	case value.Object == nil || all.bare():
		copied := jsontree.Raw(value.Spelling())
		return &copied, len(value.Spelling()), nil
	default:
		copied := value.Clone()
		made, bytes = &copied, len(value.Spelling())
	}
	if err := l.lay(made.Object, all); err != nil {
		return nil, 0, err
	}
	if value == nil && made.Object.Len() == 0 {
		return nil, 0, nil
	}
	return made, bytes, nil
}

// add puts a member at the end of the object. So many bytes of the value are not counted yet.
func (l *overlay) add(
	object *jsontree.Object, name, key string, value jsontree.Node, bytes int,
) error {
	l.left -= bytes + object.AddCompact(name, key, value, maxGap)
	if l.left < 0 {
		return tooLarge(l.most)
	}
	l.added++
	return nil
}
