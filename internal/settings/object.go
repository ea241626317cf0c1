package settings

import "slices"

// object is a JSON object that has been taken apart, white space and all.
type object struct {
	start, end string // white space inside the braces
	gap, colon string // of a member that is added, as the last one has them
	members    []member
	size       int            // members that have not been removed
	positions  map[string]int // of the members by key, once there are many
	emptied    bool           // there was a member once
}

// member stays where it is when it is removed, until most have been: see compact.
type member struct {
	gap     string // what parts it from the member before, if there is one: a comma, white space
	name    string // as it is spelt
	colon   string // and white space
	key     string // what name says
	value   node
	removed bool
}

// many is the number of members from where on a map finds one faster, although it must
// first be made.
const many = 64

// newObject gives the first member a gap for the case that it won't be the first any more.
func newObject(members []member, end string) *object {
	if len(members) == 0 {
		return &object{start: end, gap: ",", colon: ":"}
	}
	o := &object{start: members[0].gap, end: end, members: members, size: len(members)}
	if o.size > 1 {
		members[0].gap = members[1].gap
	} else {
		members[0].gap = gapAfter(o.start)
	}
	last := &members[o.size-1]
	o.gap, o.colon = last.gap, last.colon
	return o
}

// clone leaves out what has been removed. What is copied must have weight.
func (o *object) clone() *object {
	c := *o
	c.positions = nil
	c.members = make([]member, 0, o.size)
	for _, m := range o.members {
		if !m.removed {
			m.value = m.value.clone()
			c.members = append(c.members, m)
		}
	}
	return &c
}

func (o *object) weight() int {
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
		weight += len(m.name) + len(m.colon) + m.value.weight()
	}
	return weight
}

func (o *object) write(to []byte) []byte {
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
		to = append(append(to, m.name...), m.colon...)
		to = m.value.write(to)
	}
	return append(append(to, o.end...), '}')
}

// position is that of the member in members, or -1.
func (o *object) position(key string) int {
	if len(o.members) < many {
		return slices.IndexFunc(o.members, func(m member) bool {
			return !m.removed && m.key == key
		})
	}
	if o.positions == nil {
		o.positions = make(map[string]int, len(o.members))
		for i := range o.members {
			if m := &o.members[i]; !m.removed {
				o.positions[m.key] = i
			}
		}
	}
	if i, ok := o.positions[key]; ok {
		return i
	}
	return -1
}

// get returns the value of the member, or nil. It moves when a member is added or removed.
func (o *object) get(key string) *node {
	if i := o.position(key); i >= 0 {
		return &o.members[i].value
	}
	return nil
}

// set gives the member a value. A new one comes last and looks like its neighbor.
func (o *object) set(key string, value node) {
	if child := o.get(key); child != nil {
		*child = value
		return
	}
	o.add(quote(key), key, value)
}

// add puts a member at the end. There must be none of that key.
func (o *object) add(name, key string, value node) {
	if o.size == 0 && !o.emptied {
		o.end = o.start
	}
	if o.positions != nil {
		o.positions[key] = len(o.members)
	}
	o.members = append(o.members, member{
		gap: o.gap, name: name, colon: o.colon, key: key, value: value,
	})
	o.size++
}

// remove takes the member out, if it is there.
func (o *object) remove(key string) {
	i := o.position(key)
	if i < 0 {
		return
	}
	o.members[i].removed = true
	o.members[i].value = node{}
	delete(o.positions, key)
	o.size--
	o.emptied = o.emptied || o.size == 0
	if len(o.members) > 2*o.size {
		o.compact()
	}
}

// compact drops the removed members. They are more than the others by then, so all of this together
// takes no longer than the removals did.
func (o *object) compact() {
	o.members = slices.DeleteFunc(o.members, func(m member) bool { return m.removed })
	o.positions = nil // those left have moved
}
