package settings

import "fmt"

// maxInPlace is what a schema may make of one value without going into it, even of a null, in
// evaluations: 10 ms at worst. Said without repetition it takes over 64 KiB of text; but thirty
// times "twice the one before", which would be a thousand million, takes only 2 KiB.
const maxInPlace = 10_000

// bound refuses schemas that no document could be held to in a bounded time.
func bound(all []*rule) error {
	b := bounding{totals: map[*rule]int{}}
	for _, one := range all {
		total := b.total(one)
		if b.cycle != nil {
			return fmt.Errorf("%w: %s leads back to itself without going into the document",
				ErrSchema, place(b.cycle.schema))
		}
		if total > maxInPlace {
			return fmt.Errorf("%w: %s would hold each value to over %d schemas", ErrSchema,
				place(one.schema), maxInPlace)
		}
	}
	return nil
}

// bounding adds up the evaluations of one value.
type bounding struct {
	totals map[*rule]int
	cycle  *rule
}

const beingAdded = -1

func (b *bounding) total(one *rule) int {
	if total, known := b.totals[one]; known {
		if total == beingAdded {
			b.cycle = one
		}
		return total
	}
	b.totals[one] = beingAdded
	total := one.weight
	for _, next := range one.inPlace {
		if total = min(total+b.total(next), maxInPlace+1); b.cycle != nil {
			return total
		}
	}
	b.totals[one] = total
	return total
}
