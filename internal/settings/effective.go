package settings

import (
	"fmt"
	"slices"
)

const (
	// maxLaying is what may be looked for while a document is laid over defaults, some 100 ns each.
	// What is found adds bytes, and so is bounded anyway; but it need not be found.
	maxLaying = 300_000
	// maxLevels is how deep a document may come to be: twice as deep as documents may be.
	maxLevels = 256
	// maxGap is the white space that an added member takes over from its neighbor.
	maxGap = 100
)

// Effective returns the document laid over the schema's defaults: what it lacks is added after what
// it has, in the order of the schema's text and spelt as there; what it has stays as it is, null
// included. Defaults are those that "default" says of a property, of one inside it, and of the
// whole, where "$ref" and "allOf" are followed; the first counts. What would be a part of itself,
// as in a tree, is not made. If nothing is added, what is returned is document itself. It fails
// with ErrTooLarge if that would have more than most bytes, and doesn't panic.
func (s *Schema) Effective(document []byte, most int) (laid []byte, err error) {
	defer survive(&err)
	if s == nil || s.defaults == nil {
		return s.unchanged(document, most)
	}
	d, err := edit(document)
	if err != nil {
		return nil, err
	}
	if d.root.object == nil {
		return s.unchanged(document, most)
	}
	l := laying{most: most, room: most - len(document), steps: maxLaying}
	if err := l.whole(&d.root, layers(nil).follow(s.defaults, &l.steps)); err != nil {
		return nil, err
	}
	if l.added == 0 {
		return s.unchanged(document, most)
	}
	return s.unchanged(d.next(false).Document, most)
}

func (*Schema) unchanged(document []byte, most int) ([]byte, error) {
	if len(document) > most {
		return nil, tooLarge(most)
	}
	return document, nil
}

func tooLarge(most int) error {
	return fmt.Errorf("%w: with the schema's defaults the document would have more than %d bytes",
		ErrTooLarge, most)
}

// laying is a document that is being laid over defaults.
type laying struct {
	most  int // bytes
	room  int // of these
	steps int
	added int      // members
	path  []layers // of the values that the one in hand is in
}

// whole lays the document over the default of the whole as well, which no property has.
func (l *laying) whole(document *node, all layers) error {
	if value := all.value(); value != nil && value.object != nil {
		if err := l.over(document.object, value.object); err != nil {
			return err
		}
	}
	return l.lay(document.object, all)
}

// over lays an object over a default.
func (l *laying) over(object, value *object) error {
	for i := range value.members {
		m := &value.members[i]
		child := object.get(m.key)
		switch {
		case child == nil:
			if err := l.add(object, m.name, m.key, m.value.clone(),
				len(m.value.spelt)); err != nil {
				return err
			}
		case child.object != nil && m.value.object != nil:
			if err := l.over(child.object, m.value.object); err != nil {
				return err
			}
		}
	}
	return nil
}

// lay adds what the object lacks.
func (l *laying) lay(object *object, all layers) error {
	l.path = append(l.path, all)
	defer func() { l.path = l.path[:len(l.path)-1] }()
	if len(l.path) > maxLevels {
		return fmt.Errorf("%w: with the schema's defaults the document would be nested deeper than %d levels", ErrTooLarge, maxLevels)
	}
	members := all.members(&l.steps)
	for i := range members {
		if err := l.member(object, &members[i]); err != nil {
			return err
		}
	}
	if l.steps < 0 {
		return fmt.Errorf("%w: to lay the document over the schema's defaults is too much work",
			ErrTooLarge)
	}
	return nil
}

func (l *laying) member(object *object, m *layeredMember) error {
	if child := object.get(m.key); child != nil {
		if child.object == nil || m.layers.bare() {
			return nil
		}
		return l.lay(child.object, m.layers)
	}
	if !m.layers.bare() && l.inside(m.layers) {
		return nil // it would be a part of itself
	}
	value, bytes, err := l.make(m.layers)
	if err != nil || value == nil {
		return err
	}
	return l.add(object, m.name, m.key, *value, bytes)
}

// inside tells whether the value in hand, or one that it is in, has the same layers.
func (l *laying) inside(all layers) bool {
	for _, outer := range l.path {
		if l.steps -= 1 + min(len(all), len(outer))/comparedOfOne; slices.Equal(outer, all) {
			return true
		}
	}
	return false
}

// make returns what there is by default, nil if that is nothing, and how many of its bytes are not
// counted yet.
func (l *laying) make(all layers) (made *node, bytes int, err error) {
	value := all.value()
	switch {
	case value == nil:
		made, bytes = &node{spelt: Empty, object: newObject(nil, "")}, len(Empty)
	case value.object == nil || all.bare():
		return &node{spelt: value.spelt}, len(value.spelt), nil
	default:
		copied := value.clone()
		made, bytes = &copied, len(value.spelt)
	}
	if err := l.lay(made.object, all); err != nil {
		return nil, 0, err
	}
	if value == nil && made.object.size == 0 {
		return nil, 0, nil
	}
	return made, bytes, nil
}

// add puts a member at the end of the object.
func (l *laying) add(object *object, name, key string, value node, bytes int) error {
	if len(object.gap) > maxGap || len(object.colon) > maxGap {
		object.gap, object.colon = ",", ":"
	}
	if object.size == 0 && len(object.start) > maxGap {
		object.emptied = true // what white space it has is not to come after the member once more
	}
	l.room -= len(name) + len(object.colon) + bytes
	if object.size > 0 {
		l.room -= len(object.gap)
	} else if !object.emptied {
		l.room -= len(object.start)
	}
	if l.room < 0 {
		return tooLarge(l.most)
	}
	object.add(name, key, value)
	l.added++
	return nil
}
