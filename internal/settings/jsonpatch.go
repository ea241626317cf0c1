package settings

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/outset-settings/outset/internal/jsontree"
)

// patchOperation is an operation of a JSON patch (RFC 6902).
type patchOperation struct {
	name       string // "add" …
	at, fromAt string // JSON pointers, for error messages
	path, from []string
	value      string // as it is spelt
}

// JSONPatch returns the change that a JSON patch describes (RFC 6902). All of its operations are
// applied or none. What they don't touch keeps its bytes: spelling, order and white space. From
// then on nobody may write to patch.
func (l Limits) JSONPatch(patch []byte) (Change, error) {
	if _, err := l.survey(patch, l.PatchDepth()); err != nil {
		return nil, err
	}
	if _, err := readOperations(patch); err != nil {
		return nil, err
	}
	return func(current []byte) (Next, error) {
		operations, err := readOperations(patch)
		if err != nil {
			return Next{}, err
		}
		levels := reach(operations)
		d, err := jsontree.ParseTo(current, levels)
		if err != nil {
			return Next{}, err
		}
		p := patching{Document: &d, limits: l, copies: l.CopyBytes(), levels: levels}
		for i := range operations {
			if err := p.apply(&operations[i]); err != nil {
				o := &operations[i]
				return Next{}, fmt.Errorf("operation %d (%s %q): %w", i, o.name,
					jsontree.Short(o.at), err)
			}
		}
		return l.within(&d, false)
	}, nil
}

// reach returns how many levels of a document, and of the values that are added to it, the
// operations may step into. Copies are weighed and tests compare to the last level, and what is
// moved may come to lie closer to the root.
func reach(operations []patchOperation) (levels int) {
	for i := range operations {
		switch o := &operations[i]; o.name {
		case "add", "replace", "remove":
			levels = max(levels, len(o.path))
		default:
			return math.MaxInt
		}
	}
	return levels
}

func readOperations(patch []byte) ([]patchOperation, error) {
	const own = 2 // levels of the operations; their values are left as they are
	parsed, err := jsontree.ParseTo(patch, own)
	if err != nil {
		return nil, err
	}
	if parsed.Root.Array == nil {
		return nil, fmt.Errorf("%w: a JSON patch is an array", ErrMalformed)
	}
	operations := make([]patchOperation, 0, parsed.Root.Array.Len())
	for i, n := range parsed.Root.Array.Nodes() {
		o, err := readOperation(n)
		if err != nil {
			return nil, fmt.Errorf("%w: operation %d %w", ErrMalformed, i, err)
		}
		operations = append(operations, o)
	}
	return operations, nil
}

// readOperation ignores members that RFC 6902 doesn't define for the operation, as its section 4
// demands.
func readOperation(n *jsontree.Node) (o patchOperation, err error) {
	if n.Object == nil {
		return o, errors.New("is not an object")
	}
	if o.name, err = stringMember(n, "op"); err != nil {
		return o, err
	}
	if o.at, o.path, err = pointerMember(n, "path"); err != nil {
		return o, err
	}
	switch o.name {
	case "add", "replace", "test":
		o.value, err = valueMember(n)
	case "move", "copy":
		o.fromAt, o.from, err = pointerMember(n, "from")
	case "remove":
	default:
		err = fmt.Errorf("is unknown: %q", jsontree.Short(o.name))
	}
	return o, err
}

func valueMember(n *jsontree.Node) (spelt string, err error) {
	value := n.Object.Get("value")
	if value == nil {
		return "", errors.New(`has no "value"`)
	}
	return value.Spelling(), nil
}

func stringMember(n *jsontree.Node, key string) (string, error) {
	value := n.Object.Get(key)
	if value == nil {
		return "", fmt.Errorf("has no %q", key)
	}
	if value.Kind() != '"' {
		return "", fmt.Errorf("has a %q that is not a string", key)
	}
	return jsontree.Unquote(value.Spelling())
}

// pointerMember reads a JSON pointer (RFC 6901).
func pointerMember(n *jsontree.Node, key string) (at string, path []string, err error) {
	if at, err = stringMember(n, key); err != nil {
		return "", nil, err
	}
	p := jsontext.Pointer(at)
	if !p.IsValid() {
		return "", nil, fmt.Errorf("has a %q that is no JSON pointer: %q", key, jsontree.Short(at))
	}
	return at, slices.Collect(p.Tokens()), nil
}
