package settings

import "slices"

// object is a JSON object that has been taken apart, white space and all.
type object struct {
	start, end string // white space inside the braces
	members    []member
	size       int            // members that have not been removed
	positions  map[string]int // of the members by key, once there are many
}

// member stays where it is when it is removed, so that no other moves.
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
		return &object{start: end}
	}
	o := &object{start: members[0].gap, end: end, members: members, size: len(members)}
	if o.size > 1 {
		members[0].gap = members[1].gap
	} else {
		members[0].gap = gapAfter(o.start)
	}
	return o
}

func (o *object) clone() *object {
	c := *o
	c.positions = nil
	c.members = slices.Clone(o.members)
	for i := range c.members {
		c.members[i].value = c.members[i].value.clone()
	}
	return &c
}

func (o *object) write(to []byte) []byte {
	if o.size == 0 && len(o.members) > 0 {
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
		return slices.IndexFunc(o.members, func(m member) bool { return !m.removed && m.key == key })
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

// get returns the value of the member, or nil. It moves when a member is added.
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
	m := member{gap: ",", name: name, colon: ":", key: key, value: value}
	if i := len(o.members) - 1; i >= 0 {
		m.gap, m.colon = o.members[i].gap, o.members[i].colon
	} else {
		o.end = o.start
	}
	if o.positions != nil {
		o.positions[key] = len(o.members)
	}
	o.members = append(o.members, m)
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
}
