package jsontree

import (
	"iter"
	"slices"
)

// Object is a parsed JSON object, white space included.
type Object struct {
	start, end string // white space inside the braces
	gap, colon string // of a member that is added, as the last one has them
	members    []Member
	size       int            // members that have not been removed
	positions  map[string]int // of the members by key, once there are many
	emptied    bool           // there was a member once
}

// Member stays where it is when it is removed, until most have been: see compact.
type Member struct {
	gap     string // what parts it from the member before, if there is one: a comma, white space
	Name    string // as it is spelt
	colon   string // and white space
	Key     string // what name says
	Value   Node
	removed bool
}

// many is the number of members from which on a map finds one faster, although it must first be
// built.
const many = 64

// newObject gives the first member a gap, for when it isn't the first any more.
func newObject(members []Member, end string) *Object {
	if len(members) == 0 {
		return &Object{start: end, gap: ",", colon: ":"}
	}
	o := &Object{start: members[0].gap, end: end, members: members, size: len(members)}
	if o.size > 1 {
		members[0].gap = members[1].gap
	} else {
		members[0].gap = gapAfter(o.start)
	}
	last := &members[o.size-1]
	o.gap, o.colon = last.gap, last.colon
	return o
}

// Clone returns an object that is edited apart from this one. It leaves out removed members, which
// have no weight.
func (o *Object) Clone() *Object {
	c := *o
	c.positions = nil
	c.members = make([]Member, 0, o.size)
	for _, m := range o.members {
		if !m.removed {
			m.Value = m.Value.Clone()
			c.members = append(c.members, m)
		}
	}
	return &c
}

// Weight is that of a copy, see [Node.Weight].
func (o *Object) Weight() int {
	if o.size == 0 && o.emptied {
		return len("{}")
	}
	weight := len("{}") + len(o.start) + len(o.end)
	first := true
	for i := range o.members {
		m := &o.members[i]
		if m.removed {
			continue
		}
		if !first {
			weight += len(m.gap)
		}
		first = false
		weight += len(m.Name) + len(m.colon) + m.Value.Weight()
	}
	return weight
}

func (o *Object) write(to []byte) []byte {
	if o.size == 0 && o.emptied {
		return append(to, "{}"...)
	}
	to = append(append(to, '{'), o.start...)
	first := true
	for i := range o.members {
		m := &o.members[i]
		if m.removed {
			continue
		}
		if !first {
			to = append(to, m.gap...)
		}
		first = false
		to = append(append(to, m.Name...), m.colon...)
		to = m.Value.write(to)
	}
	return append(append(to, o.end...), '}')
}

// position is that of the member in members, or -1.
func (o *Object) position(key string) int {
	if len(o.members) < many {
		return slices.IndexFunc(o.members, func(m Member) bool {
			return !m.removed && m.Key == key
		})
	}
	if o.positions == nil {
		o.positions = make(map[string]int, len(o.members))
		for i := range slices.Backward(o.members) { // of a repeated key the first counts
			if m := &o.members[i]; !m.removed {
				o.positions[m.Key] = i
			}
		}
	}
	if i, ok := o.positions[key]; ok {
		return i
	}
	return -1
}

// Len returns how many members there are.
func (o *Object) Len() int { return o.size }

// Members returns all members in their order. They move when one is added or removed.
func (o *Object) Members() iter.Seq[*Member] {
	return func(yield func(*Member) bool) {
		for i := range o.members {
			if m := &o.members[i]; !m.removed && !yield(m) {
				return
			}
		}
	}
}

// Get returns the value of the member, or nil. It moves when a member is added or removed.
func (o *Object) Get(key string) *Node {
	if i := o.position(key); i >= 0 {
		return &o.members[i].Value
	}
	return nil
}

// Set gives the member a value. A new one comes last and looks like its neighbor.
func (o *Object) Set(key string, value Node) {
	if child := o.Get(key); child != nil {
		*child = value
		return
	}
	o.Add(Quote(key), key, value)
}

// Add puts a member at the end. There must be none of that key.
func (o *Object) Add(name, key string, value Node) {
	if o.size == 0 && !o.emptied {
		o.end = o.start
	}
	if o.positions != nil {
		o.positions[key] = len(o.members)
	}
	o.members = append(o.members, Member{
		gap: o.gap, Name: name, colon: o.colon, Key: key, Value: value,
	})
	o.size++
}

// AddCompact is Add for one of many: white space of over maxGap bytes is not repeated before the
// member. It returns how many bytes longer the object is for it, without those of the value.
func (o *Object) AddCompact(name, key string, value Node, maxGap int) (bytes int) {
	if len(o.gap) > maxGap || len(o.colon) > maxGap {
		o.gap, o.colon = ",", ":"
	}
	if o.size == 0 && len(o.start) > maxGap {
		o.emptied = true // so that start doesn't come after the member once more
	}
	bytes = len(name) + len(o.colon)
	if o.size > 0 {
		bytes += len(o.gap)
	} else if !o.emptied {
		bytes += len(o.start)
	}
	o.Add(name, key, value)
	return bytes
}

// Remove takes the member out, if it is there.
func (o *Object) Remove(key string) {
	i := o.position(key)
	if i < 0 {
		return
	}
	o.members[i].removed = true
	o.members[i].Value = Node{}
	delete(o.positions, key)
	o.size--
	o.emptied = o.emptied || o.size == 0
	if len(o.members) > 2*o.size {
		o.compact()
	}
}

// compact drops the removed members. They are more than the others by then, so all of this together
// takes no longer than the removals did.
func (o *Object) compact() {
	o.members = slices.DeleteFunc(o.members, func(m Member) bool { return m.removed })
	o.positions = nil // those left have moved
}
