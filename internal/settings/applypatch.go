package settings

import (
	"fmt"
	"slices"

	"github.com/outset-settings/outset/internal/jsontree"
)

// patching is a document to which a JSON patch is being applied.
type patching struct {
	*jsontree.Document
	limits Limits
	copies int // weight that may yet be copied
	levels int // that operations may step into
}

// apply takes the operation's value for the document.
func (p *patching) apply(o *patchOperation) error {
	switch o.name {
	case "add":
		value, err := p.value(o)
		if err != nil {
			return err
		}
		return p.add(o.path, value)
	case "remove":
		_, err := p.remove(o.path)
		return err
	case "replace":
		value, err := p.value(o)
		if err != nil {
			return err
		}
		return p.replace(o.path, value)
	case "move":
		return p.move(o)
	case "copy":
		return p.copy(o)
	default:
		value, err := p.value(o)
		if err != nil {
			return err
		}
		return p.test(o.path, &value)
	}
}

// value is what the operation carries, taken apart as far as others may step into it.
func (p *patching) value(o *patchOperation) (jsontree.Node, error) {
	levels := p.levels - len(o.path)
	if first := o.value[0]; levels <= 0 || first != '{' && first != '[' {
		return jsontree.Raw(o.value), nil
	}
	d, err := jsontree.ParseTo([]byte(o.value), levels)
	return d.Root, err
}

// find fails if there is no value at the path.
func (p *patching) find(path []string) (*jsontree.Node, error) {
	// No document is that deep, but a patch could build one before it is done.
	if len(path) > p.limits.Depth {
		return nil, fmt.Errorf("%w: the path has more than %d levels", ErrNotApplicable,
			p.limits.Depth)
	}
	n := p.Root.Find(path)
	if n == nil {
		return nil, missing(path)
	}
	return n, nil
}

func (p *patching) add(path []string, value jsontree.Node) error {
	if len(path) == 0 {
		p.Root = value
		return nil
	}
	parent, err := p.find(path[:len(path)-1])
	if err != nil {
		return err
	}
	return insert(parent, path[len(path)-1], value)
}

// insert is [jsontree.Node.Insert] with an error of ours.
func insert(parent *jsontree.Node, token string, value jsontree.Node) error {
	if err := parent.Insert(token, value); err != nil {
		return fmt.Errorf("%w: %w", ErrNotApplicable, err)
	}
	return nil
}

func (p *patching) remove(path []string) (jsontree.Node, error) {
	if len(path) == 0 {
		return jsontree.Node{}, fmt.Errorf("%w: the whole document can't be removed",
			ErrNotApplicable)
	}
	parent, err := p.find(path[:len(path)-1])
	if err != nil {
		return jsontree.Node{}, err
	}
	value, ok := parent.Remove(path[len(path)-1])
	if !ok {
		return jsontree.Node{}, missing(path)
	}
	return value, nil
}

func (p *patching) replace(path []string, value jsontree.Node) error {
	n, err := p.find(path)
	if err != nil {
		return err
	}
	*n = value
	return nil
}

func (p *patching) move(o *patchOperation) error {
	if slices.Equal(o.from, o.path) {
		_, err := p.find(o.from) // it stays where it is, also in its object's order
		return err
	}
	if len(o.from) < len(o.path) && slices.Equal(o.from, o.path[:len(o.from)]) {
		return fmt.Errorf("%w: %q can't be moved into itself", ErrNotApplicable,
			jsontree.Short(o.fromAt))
	}
	value, err := p.remove(o.from)
	if err != nil {
		return err
	}
	return p.add(o.path, value)
}

func (p *patching) copy(o *patchOperation) error {
	n, err := p.find(o.from)
	if err != nil {
		return err
	}
	if p.copies -= n.Weight(); p.copies < 0 {
		return fmt.Errorf("%w: all that the patch copies is more than %d bytes, of which each value "+
			"counts 6 beside its own", ErrTooLarge, p.limits.CopyBytes())
	}
	return p.add(o.path, n.Clone())
}

func (p *patching) test(path []string, value *jsontree.Node) error {
	n, err := p.find(path)
	if err != nil {
		return err
	}
	if !jsontree.Equal(n, value) {
		return fmt.Errorf("%w: the value is another", ErrNotApplicable)
	}
	return nil
}

func missing(path []string) error {
	return fmt.Errorf("%w: there is no value at %q", ErrNotApplicable,
		jsontree.Short(jsontree.Pointer(path...)))
}
