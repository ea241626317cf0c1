package jsontree

import "slices"

// Array is a parsed JSON array, white space included. Its elements are kept in blocks, so that
// thousands of insertions before thousands of elements stay cheap.
type Array struct {
	start, end string // white space inside the brackets
	blocks     [][]element
	length     int
	emptied    bool // there was an element once
}

type element struct {
	gap   string // what parts it from the element before, if there is one: a comma, white space
	value Node
}

// block is how many elements a block has at first; it is split at twice that. A document of 64 KiB
// has at most 256 blocks.
const block = 128

// append puts an element at the end while the array is being read.
func (a *Array) append(e element) {
	last := len(a.blocks) - 1
	switch {
	case last < 0:
		a.blocks = [][]element{{e}} // most are short: this one grows as it must
	case len(a.blocks[last]) == block:
		a.blocks = append(a.blocks, append(make([]element, 0, block), e))
	default:
		a.blocks[last] = append(a.blocks[last], e)
	}
	a.length++
}

// finish gives the first element a gap, for when it isn't the first any more.
func (a *Array) finish(end string) {
	if a.length == 0 {
		a.start = end
		return
	}
	first := a.blocks[0]
	a.start, a.end = first[0].gap, end
	if a.length > 1 {
		first[0].gap = first[1].gap
	} else {
		first[0].gap = gapAfter(a.start)
	}
}

// Clone returns an array that is edited apart from this one.
func (a *Array) Clone() *Array {
	c := *a
	c.blocks = make([][]element, len(a.blocks))
	for i, part := range a.blocks {
		c.blocks[i] = slices.Clone(part)
		for j := range part {
			c.blocks[i][j].value = part[j].value.Clone()
		}
	}
	return &c
}

// Weight is that of a copy, see [Node.Weight].
func (a *Array) Weight() int {
	if a.length == 0 && a.emptied {
		return len("[]")
	}
	weight := len("[]") + len(a.start) + len(a.end)
	for i, part := range a.blocks {
		for j := range part {
			if i+j > 0 {
				weight += len(part[j].gap)
			}
			weight += part[j].value.Weight()
		}
	}
	return weight
}

func (a *Array) write(to []byte) []byte {
	if a.length == 0 && a.emptied {
		return append(to, "[]"...)
	}
	to = append(append(to, '['), a.start...)
	for i, part := range a.blocks {
		for j := range part {
			if i+j > 0 {
				to = append(to, part[j].gap...)
			}
			to = part[j].value.write(to)
		}
	}
	return append(append(to, a.end...), ']')
}

// locate finds the block of the i-th element and its index in it. What comes after the last element
// is in the last block.
func (a *Array) locate(i int) (b, j int) {
	for b < len(a.blocks)-1 && i >= len(a.blocks[b]) {
		i -= len(a.blocks[b])
		b++
	}
	return b, i
}

// Len returns how many elements there are.
func (a *Array) Len() int { return a.length }

// At returns the i-th value. It moves when an element is inserted or removed.
func (a *Array) At(i int) *Node {
	b, j := a.locate(i)
	return &a.blocks[b][j].value
}

// Nodes returns all values. They move when an element is inserted or removed.
func (a *Array) Nodes() []*Node {
	nodes := make([]*Node, 0, a.length)
	for _, part := range a.blocks {
		for j := range part {
			nodes = append(nodes, &part[j].value)
		}
	}
	return nodes
}

// insert makes the value the i-th, at most the one after the last. It looks like its neighbor.
func (a *Array) insert(i int, value Node) {
	if a.length == 0 {
		if !a.emptied {
			a.end = a.start
		}
		a.blocks = [][]element{{{gap: gapAfter(a.start), value: value}}}
		a.length = 1
		return
	}
	b, j := a.locate(i)
	part := a.blocks[b]
	gap := part[min(j, len(part)-1)].gap
	part = slices.Insert(part, j, element{gap: gap, value: value})
	a.blocks[b] = part
	a.length++
	if len(part) >= 2*block {
		rest := slices.Clone(part[block:])
		a.blocks[b] = part[:block:block]
		a.blocks = slices.Insert(a.blocks, b+1, rest)
	}
}

func (a *Array) remove(i int) {
	b, j := a.locate(i)
	a.blocks[b] = slices.Delete(a.blocks[b], j, j+1)
	if len(a.blocks[b]) == 0 {
		a.blocks = slices.Delete(a.blocks, b, b+1)
	}
	a.length--
	a.emptied = a.emptied || a.length == 0
}
