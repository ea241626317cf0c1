package settings

import (
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// rule is a schema, or one inside another, as far as the work is about it that a value makes for
// it.
type rule struct {
	schema *jsonschema.Schema

	inPlace    []*rule // those that the same value is held to: "allOf", "$ref" and the like
	properties map[string]*rule
	patterns   []patternRule
	prefix     []*rule
	additional *rule // and those below: what they are called, or nil
	items      *rule
	contains   *rule
	names      *rule
	leftKeys   *rule // unevaluatedProperties
	leftItems  *rule // unevaluatedItems

	pattern  *expression
	measured bool // "minLength", "maxLength"
	whole    bool // the value is compared as a whole: "enum", "const", "uniqueItems"
	// "unevaluated…" is somewhere: the validator keeps lists of what has been evaluated
	upkeep bool
	weight int // of one evaluation, whatever the value
}

type patternRule struct {
	name *expression
	rule *rule
}

// ruling makes rules of what has been compiled, and takes over from the validator what it does too
// slowly.
type ruling struct {
	known  map[*jsonschema.Schema]*rule
	all    []*rule
	upkeep bool
}

// weigh returns the rule of the whole schema.
func weigh(compiled *jsonschema.Schema) (*rule, error) {
	r := &ruling{known: map[*jsonschema.Schema]*rule{}}
	root := r.rule(compiled)
	slices.SortFunc(r.all, func(a, b *rule) int {
		return strings.Compare(a.schema.Location, b.schema.Location)
	})
	for _, one := range r.all {
		one.upkeep = r.upkeep
	}
	return root, bound(r.all)
}

func (r *ruling) rule(schema *jsonschema.Schema) *rule {
	if schema == nil {
		return nil
	}
	if known, ok := r.known[schema]; ok {
		return known
	}
	one := &rule{schema: schema, weight: 1}
	r.known[schema] = one
	r.all = append(r.all, one)
	r.readInPlace(one)
	r.readChildren(one)
	r.readWords(one)
	return one
}

func (r *ruling) each(schemas []*jsonschema.Schema) (all []*rule) {
	for _, schema := range schemas {
		all = append(all, r.rule(schema))
	}
	return all
}

func (r *ruling) readInPlace(one *rule) {
	s := one.schema
	for _, schema := range []*jsonschema.Schema{s.Ref, s.Not, s.If, s.Then, s.Else} {
		if schema != nil {
			one.inPlace = append(one.inPlace, r.rule(schema))
		}
	}
	for _, schemas := range [][]*jsonschema.Schema{s.AllOf, s.AnyOf, s.OneOf} {
		one.inPlace = append(one.inPlace, r.each(schemas)...)
	}
	for _, schema := range s.DependentSchemas {
		one.inPlace = append(one.inPlace, r.rule(schema))
	}
	for _, dependency := range s.Dependencies {
		if schema, ok := dependency.(*jsonschema.Schema); ok {
			one.inPlace = append(one.inPlace, r.rule(schema))
		}
	}
}

func (r *ruling) readChildren(one *rule) {
	s := one.schema
	if len(s.Properties) > 0 {
		one.properties = make(map[string]*rule, len(s.Properties))
		for key, schema := range s.Properties {
			one.properties[key] = r.rule(schema)
		}
	}
	for name, schema := range s.PatternProperties {
		if e, ok := name.(*expression); ok {
			one.patterns = append(one.patterns, patternRule{e, r.rule(schema)})
		}
	}
	if schema, ok := s.AdditionalProperties.(*jsonschema.Schema); ok {
		one.additional = r.rule(schema)
	}
	one.prefix = r.each(s.PrefixItems)
	one.items, one.contains, one.names = r.rule(s.Items2020), r.rule(s.Contains),
		r.rule(s.PropertyNames)
	one.leftKeys, one.leftItems = r.rule(s.UnevaluatedProperties), r.rule(s.UnevaluatedItems)
	r.upkeep = r.upkeep || one.leftKeys != nil || one.leftItems != nil
}
