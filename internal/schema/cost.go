package schema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// What a schema may cost for one value, be it null, without the values inside it. Each schema that
// a value is checked against is one evaluation. References make few schemas many evaluations, so
// the text alone doesn't bound them: costs adds them up along all references, each schema once.
const (
	// MaxEvaluations takes 10 ms at worst. Written out so many schemas take over 64 KiB of text;
	// but thirty definitions, each of which refers twice to the one before, take 2 KiB and would be
	// a thousand million evaluations.
	MaxEvaluations = 10_000
	// MaxChain is how many schemas may lead from one to the next. A document of 256 levels then
	// takes 30 MB of stack.
	MaxChain = 64
)

// checkCost refuses a schema that would evaluate a value too often, or would never end.
func checkCost(roots []*jsonschema.Schema) error { return newCosts(roots).check() }

// costs has the cost of each schema for one value.
type costs struct {
	all     []*jsonschema.Schema            // in the order of their locations
	anchors map[string][]*jsonschema.Schema // that a "$dynamicRef" of that name may lead to
	known   map[*jsonschema.Schema]cost
	visits  int // of references from one to the next, for tests
}

type cost struct {
	evaluations int
	chain       int  // the longest chain of schemas that lead from one to the next
	open        bool // it is still being added up
}

func newCosts(roots []*jsonschema.Schema) *costs {
	c := &costs{
		all: reachable(roots), anchors: map[string][]*jsonschema.Schema{},
		known: map[*jsonschema.Schema]cost{},
	}
	slices.SortFunc(c.all, func(a, b *jsonschema.Schema) int {
		return strings.Compare(a.Location, b.Location)
	})
	for _, one := range c.all {
		if one.DynamicAnchor != "" {
			c.anchors[one.DynamicAnchor] = append(c.anchors[one.DynamicAnchor], one)
		}
	}
	return c
}

func (c *costs) check() error {
	for _, one := range c.all {
		if _, err := c.add(one); err != nil {
			return err
		}
	}
	return nil
}

// add returns the cost of one schema. It fails at the first that costs too much, on the way back
// from what it leads to.
func (c *costs) add(one *jsonschema.Schema) (cost, error) {
	if known, ok := c.known[one]; ok {
		if known.open {
			return cost{}, refused(location(one),
				"leads back to itself without going into the document")
		}
		return known, nil
	}
	c.known[one] = cost{open: true}
	sum := cost{evaluations: weight(one)}
	for _, next := range inPlace(one) {
		if err := c.most(&sum, next); err != nil {
			return cost{}, err
		}
	}
	// What a dynamic reference leads to depends on the way to it: the worst counts.
	if dynamic := c.targets(one); len(dynamic) > 0 {
		if err := c.most(&sum, dynamic...); err != nil {
			return cost{}, err
		}
	}
	sum.chain++
	c.known[one] = sum
	switch {
	case sum.evaluations > MaxEvaluations:
		return sum, refused(location(one),
			fmt.Sprintf("would check each value against more than %d schemas", MaxEvaluations))
	case sum.chain > MaxChain:
		return sum, refused(location(one),
			fmt.Sprintf("starts a chain of more than %d schemas for the same value", MaxChain))
	}
	return sum, nil
}

// most adds the largest cost of the alternatives.
func (c *costs) most(sum *cost, alternatives ...*jsonschema.Schema) error {
	largest := 0
	for _, next := range alternatives {
		c.visits++
		more, err := c.add(next)
		if err != nil {
			return err
		}
		largest = max(largest, more.evaluations)
		sum.chain = max(sum.chain, more.chain)
	}
	sum.evaluations += largest // each is at most MaxEvaluations: it can't overflow
	return nil
}

// targets returns what the dynamic reference of a schema may lead to.
func (c *costs) targets(s *jsonschema.Schema) []*jsonschema.Schema {
	switch {
	case s.DynamicRef != nil && s.DynamicRef.Anchor != "" &&
		s.DynamicRef.Ref.DynamicAnchor == s.DynamicRef.Anchor:
		return c.anchors[s.DynamicRef.Anchor]
	case s.DynamicRef != nil:
		return []*jsonschema.Schema{s.DynamicRef.Ref}
	}
	return nil
}

// namesOfOne is how many required names count as one evaluation: so many take as much time, and as
// much memory if they are missing.
const namesOfOne = 8

// weight is what a schema itself costs, in evaluations, whatever the value.
func weight(s *jsonschema.Schema) int {
	n := 1 + len(s.Required)/namesOfOne
	for _, required := range s.DependentRequired {
		n += 1 + len(required)/namesOfOne
	}
	for _, dependency := range s.Dependencies {
		if required, ok := dependency.([]string); ok {
			n += 1 + len(required)/namesOfOne
		}
	}
	for _, given := range []bool{
		s.Types != nil && slices.Contains(s.Types.ToStrings(), "integer"), s.Minimum != nil,
		s.Maximum != nil, s.ExclusiveMinimum != nil, s.ExclusiveMaximum != nil, s.MultipleOf != nil,
	} {
		if given { // the library makes a fraction of the number
			n++
		}
	}
	return n
}

// inPlace returns the schemas that a schema checks the same value against, but for dynamic
// references.
func inPlace(s *jsonschema.Schema) []*jsonschema.Schema {
	next := slices.Concat(s.AllOf, s.AnyOf, s.OneOf)
	next = append(next, s.Ref, s.Not, s.If, s.Then, s.Else)
	for _, schema := range s.DependentSchemas {
		next = append(next, schema)
	}
	for _, dependency := range s.Dependencies {
		if schema, ok := dependency.(*jsonschema.Schema); ok {
			next = append(next, schema)
		}
	}
	return slices.DeleteFunc(next, func(s *jsonschema.Schema) bool { return s == nil })
}

// within returns the schemas that a schema checks values inside the value, or its keys, against.
func within(s *jsonschema.Schema) []*jsonschema.Schema {
	next := slices.Clone(s.PrefixItems)
	next = append(next, s.PropertyNames, s.Contains, s.Items2020, s.UnevaluatedItems,
		s.UnevaluatedProperties, s.ContentSchema)
	for _, schema := range s.Properties {
		next = append(next, schema)
	}
	for _, schema := range s.PatternProperties {
		next = append(next, schema)
	}
	for _, one := range []any{s.AdditionalProperties, s.AdditionalItems, s.Items} {
		switch schemas := one.(type) {
		case *jsonschema.Schema:
			next = append(next, schemas)
		case []*jsonschema.Schema:
			next = append(next, schemas...)
		}
	}
	for _, extension := range s.Extensions {
		if names, ok := extension.(propertyNames); ok { // in place of s.PropertyNames
			next = append(next, names.schema)
		}
	}
	return slices.DeleteFunc(next, func(s *jsonschema.Schema) bool { return s == nil })
}

// reachable returns the schemas and all that a document can be checked against because of them.
func reachable(roots []*jsonschema.Schema) (all []*jsonschema.Schema) {
	known := map[*jsonschema.Schema]bool{}
	for next := roots; len(next) > 0; {
		var found []*jsonschema.Schema
		for _, one := range next {
			if known[one] {
				continue
			}
			known[one] = true
			all = append(all, one)
			found = append(append(found, inPlace(one)...), within(one)...)
			if d := one.DynamicRef; d != nil {
				found = append(found, d.Ref)
			}
		}
		next = found
	}
	return all
}
