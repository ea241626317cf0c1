package schema

import (
	"slices"

	"github.com/outset-settings/outset/internal/jsontree"
)

// layer is a schema in the text as far as it is about defaults.
type layer struct {
	value      *jsontree.Node // its own "default"
	properties []property
	next       []*layer // what else the same value has its defaults from: "$ref", then "allOf"
	leads      bool     // to a default, its own or a deeper one
}

// property is one that a layer has a word on.
type property struct {
	name, key string // as the schema spells it, and what that says
	layer     *layer
}

// onlyReference forgets all but what "$ref", which is resolved later, will add.
func (one *layer) onlyReference() { *one = layer{} }

// defaults returns the layer of the whole schema, or nil if there are no defaults. What leads to
// none is dropped.
func (s *source) defaults() *layer {
	from := map[*layer][]*layer{} // those that lead to one at once
	for _, one := range s.layers {
		for _, next := range one.next {
			from[next] = append(from[next], one)
		}
		for _, p := range one.properties {
			from[p.layer] = append(from[p.layer], one)
		}
	}
	for _, one := range s.layers {
		if one.value != nil {
			one.mark(from)
		}
	}
	for _, one := range s.layers {
		one.next = slices.DeleteFunc(one.next, func(next *layer) bool { return !next.leads })
		one.properties = slices.DeleteFunc(one.properties, func(p property) bool {
			return !p.layer.leads
		})
	}
	if root := s.layers[""]; root.leads {
		return root
	}
	return nil
}

func (one *layer) mark(from map[*layer][]*layer) {
	if one.leads {
		return
	}
	one.leads = true
	for _, before := range from[one] {
		before.mark(from)
	}
}

// comparedOfOne is how many layers are compared in one step.
const comparedOfOne = 32

// layers are those that one value has its defaults from. The first counts where they differ.
type layers []*layer

// follow adds the layer and what it refers to, each once, except those that have nothing to say:
// with them the same would look like something else.
func (all layers) follow(one *layer, steps *int) layers {
	if *steps -= 1 + len(all)/comparedOfOne; *steps < 0 || slices.Contains(all, one) {
		return all
	}
	if one.value != nil || len(one.properties) > 0 {
		all = append(all, one)
	}
	for _, next := range one.next {
		all = all.follow(next, steps)
	}
	return all
}

// value is the default, or nil.
func (all layers) value() *jsontree.Node {
	for _, one := range all {
		if one.value != nil {
			return one.value
		}
	}
	return nil
}

// layeredMember is a property that may be added, with all that the layers say about it.
type layeredMember struct {
	name, key string
	layers    layers
}

// members are in the order of the text.
func (all layers) members(steps *int) []layeredMember {
	var members []layeredMember
	known := map[string]int{}
	for i, one := range all {
		for _, p := range one.properties {
			at, ok := known[p.key]
			if !ok {
				at = len(members)
				members = append(members, layeredMember{name: p.name, key: p.key})
				if i+1 < len(all) { // else none of that key is to come
					known[p.key] = at
				}
			}
			if members[at].layers = members[at].layers.follow(p.layer, steps); *steps < 0 {
				return nil
			}
		}
	}
	return members
}

func (all layers) bare() bool {
	return !slices.ContainsFunc(all, func(one *layer) bool { return len(one.properties) > 0 })
}
