package settings

import "github.com/outset-settings/outset/internal/jsontree"

// MergePatch returns the change that a merge patch describes (RFC 7396). What it doesn't touch
// keeps its bytes: spelling, order and white space. What it sets is spelt as in the patch. From
// then on nobody may write to patch.
func (l Limits) MergePatch(patch []byte) (Change, error) {
	found, err := l.survey(patch, l.Depth)
	if err != nil {
		return nil, err
	}
	// Any other patch would replace the whole document by what no document may be. How many keys it
	// has and how long they are is checked in the result: the patch may be there to remove them.
	if err := found.object(); err != nil {
		return nil, err
	}
	return func(current []byte) (Next, error) {
		d, err := jsontree.ParseObjects(current, found.depth) // no deeper than the patch
		if err != nil {
			return Next{}, err
		}
		parsed, err := jsontree.ParseObjects(patch, found.depth)
		if err != nil {
			return Next{}, err
		}
		merge(&d.Root, &parsed.Root)
		return l.within(&d, false)
	}, nil
}

// merge is the function MergePatch of RFC 7396 section 2. It doesn't change the patch.
func merge(target, patch *jsontree.Node) {
	if patch.Object == nil || target.Object == nil {
		*target = patch.WithoutNulls()
		return
	}
	for m := range patch.Object.Members() {
		mergeMember(target.Object, m)
	}
}

func mergeMember(target *jsontree.Object, m *jsontree.Member) {
	child := target.Get(m.Key)
	switch {
	case m.Value.Kind() == 'n':
		target.Remove(m.Key)
	case child != nil:
		merge(child, &m.Value)
	default:
		target.Add(m.Name, m.Key, m.Value.WithoutNulls())
	}
}
