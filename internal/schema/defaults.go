package schema

import (
	"slices"

	"github.com/outset-settings/outset/internal/jsontree"
)

// declaration is what one schema in the text says about defaults: its own, those of its properties,
// and other schemas for the same value. source.read makes one for each schema, source.defaults
// drops those that lead to no default.
type declaration struct {
	value      *jsontree.Node // its own "default"
	properties []property
	next       []*declaration // other schemas for the same value: "$ref", then "allOf"
	leads      bool           // to a default, its own or a deeper one
}

// property is one that a schema describes.
type property struct {
	name, key   string // as the schema spells it, and what that says
	declaration *declaration
}

// onlyReference drops everything: "$ref", which counts alone, is resolved later and adds to it.
func (one *declaration) onlyReference() { *one = declaration{} }

// defaults returns the declaration of the whole schema, or nil if there are no defaults. It drops
// declarations that lead to none.
func (s *source) defaults() *declaration {
	from := map[*declaration][]*declaration{} // those that lead to it directly
	for _, one := range s.schemas {
		for _, next := range one.next {
			from[next] = append(from[next], one)
		}
		for _, p := range one.properties {
			from[p.declaration] = append(from[p.declaration], one)
		}
	}
	for _, one := range s.schemas {
		if one.value != nil {
			one.mark(from)
		}
	}
	for _, one := range s.schemas {
		one.next = slices.DeleteFunc(one.next, func(next *declaration) bool { return !next.leads })
		one.properties = slices.DeleteFunc(one.properties, func(p property) bool {
			return !p.declaration.leads
		})
	}
	if root := s.schemas[""]; root.leads {
		return root
	}
	return nil
}

// mark notes that the declaration, and whatever leads to it, leads to a default.
func (one *declaration) mark(from map[*declaration][]*declaration) {
	if one.leads {
		return
	}
	one.leads = true
	for _, before := range from[one] {
		before.mark(from)
	}
}

// comparedOfOne is how many declarations are compared in one step.
const comparedOfOne = 32

// declarations are all those that apply to one value. Where they differ the first counts.
type declarations []*declaration

// follow adds the declaration and what it refers to, each once. It leaves out those that say
// nothing, so that equal lists mean equal defaults.
func (all declarations) follow(one *declaration, steps *int) declarations {
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
func (all declarations) value() *jsontree.Node {
	for _, one := range all {
		if one.value != nil {
			return one.value
		}
	}
	return nil
}

// declaredMember is a property that may be added, with all that the declarations say about it.
type declaredMember struct {
	name, key string
	from      declarations
}

// members returns the properties that any of the declarations describes, in the order of the text.
func (all declarations) members(steps *int) []declaredMember {
	var members []declaredMember
	known := map[string]int{}
	for i, one := range all {
		for _, p := range one.properties {
			at, ok := known[p.key]
			if !ok {
				at = len(members)
				members = append(members, declaredMember{name: p.name, key: p.key})
				if i+1 < len(all) { // the last one names a property once
					known[p.key] = at
				}
			}
			if members[at].from = members[at].from.follow(p.declaration, steps); *steps < 0 {
				return nil
			}
		}
	}
	return members
}

// bare reports whether none of them describes a property.
func (all declarations) bare() bool {
	return !slices.ContainsFunc(all, func(one *declaration) bool { return len(one.properties) > 0 })
}
