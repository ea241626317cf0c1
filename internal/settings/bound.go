package settings

import "fmt"

// maxInPlace is what a schema may make of one value without going into it, even of a null, in evaluations: 10 ms
// at worst. Said without repetition it takes over 64 KiB of text; but thirty times "twice the one before", which
// would be a thousand million, takes only 2 KiB.
const maxInPlace = 10_000

// bound refuses schemas that no document could be held to in a bounded time.
func (s *source) bound(all []*rule) error {
	b := bounding{total: map[*rule]int{}}
	for _, one := range all {
		b.fixed(one)
		if b.cycle != nil {
			return fmt.Errorf("%w: %s leads back to itself without going into the document", ErrSchema, s.place(b.cycle.schema))
		}
	}
	clear(b.total)
	for _, one := range all {
		if b.any(one) > maxInPlace {
			return fmt.Errorf("%w: %s would hold each value to over %d schemas", ErrSchema, s.place(one.schema), maxInPlace)
		}
	}
	return nil
}

// bounding adds up the evaluations of one value.
type bounding struct {
	total map[*rule]int // -1: it is being added up
	cycle *rule
}

const beingAdded = -1

// fixed follows what always leads to the same rule, and finds cycles.
func (b *bounding) fixed(one *rule) {
	switch total, known := b.total[one]; {
	case known && total == beingAdded:
		b.cycle = one
		return
	case known:
		return
	}
	b.total[one] = beingAdded
	for _, next := range one.inPlace {
		if b.fixed(next); b.cycle != nil {
			return
		}
	}
	b.total[one] = 0
}

// any follows "$dynamicRef" as well. Where that leads in circles it may in truth lead elsewhere: the validator
// notices, and so does the effort of a document.
func (b *bounding) any(one *rule) int {
	if total, known := b.total[one]; known {
		return max(total, 0)
	}
	b.total[one] = beingAdded
	total := one.weight
	for _, nexts := range [][]*rule{one.inPlace, one.dynamic} {
		for _, next := range nexts {
			total = min(total+b.any(next), maxInPlace+1)
		}
	}
	b.total[one] = total
	return total
}
