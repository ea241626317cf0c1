package settings

// MergePatch returns the change that a merge patch describes (RFC 7396). What it doesn't touch
// keeps its bytes: spelling, order and white space. What it sets is spelt as in the patch. From
// then on nobody may write to patch.
func (l Limits) MergePatch(patch []byte) (Change, error) {
	found, err := l.survey(patch, l.Depth)
	if err != nil {
		return nil, err
	}
	// Any other patch would replace the whole document by what no document may be. How many
	// keys it has and how long they are is judged in the result: it may be there to remove them.
	if err := found.object(); err != nil {
		return nil, err
	}
	return func(current []byte) (Next, error) {
		d, err := edit(current)
		if err != nil {
			return Next{}, err
		}
		_, parsed, _, err := parse(patch)
		if err != nil {
			return Next{}, err
		}
		merge(&d.root, &parsed)
		return l.within(&d, false)
	}, nil
}

// merge is the function MergePatch of RFC 7396 section 2. It doesn't change the patch.
func merge(target, patch *node) {
	if patch.object == nil || target.object == nil {
		*target = patch.stripped()
		return
	}
	for i := range patch.object.members {
		mergeMember(target.object, &patch.object.members[i])
	}
}

func mergeMember(target *object, m *member) {
	child := target.get(m.key)
	switch {
	case m.value.kind() == 'n':
		target.remove(m.key)
	case child != nil:
		merge(child, &m.value)
	default:
		target.add(m.name, m.key, m.value.stripped())
	}
}

// stripped returns what a patch sets where there is no object to be merged with: the same without
// the members that are null, which elements of arrays may well be.
func (n *node) stripped() node {
	if n.object == nil {
		return node{spelt: n.spelt} // nobody steps into an array that has just been set
	}
	o := *n.object
	o.members = nil
	for i := range n.object.members {
		m := n.object.members[i]
		if m.value.kind() == 'n' {
			continue
		}
		m.value = m.value.stripped()
		o.members = append(o.members, m)
	}
	o.size = len(o.members)
	if o.size == 0 && n.object.size > 0 {
		return node{spelt: Empty}
	}
	return node{spelt: n.spelt, object: &o}
}
