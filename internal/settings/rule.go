package settings

import (
	"fmt"
	"math"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// rule is a schema, or one inside another, as far as the work is about it that a value makes for it.
type rule struct {
	schema *jsonschema.Schema

	inPlace    []*rule // those that the same value is held to: "allOf", "$ref" and the like
	dynamic    []*rule // of these one, or none: "$dynamicRef"
	properties map[string]*rule
	patterns   []patternRule
	prefix     []*rule
	additional *rule // and those below: what they are called, or nil
	items      *rule
	contains   *rule
	names      *rule
	leftKeys   *rule // unevaluatedProperties
	leftItems  *rule // unevaluatedItems

	pattern *expression
	whole   bool // the value is compared as a whole: "enum", "const", "uniqueItems"
	upkeep  bool // "unevaluated…" is somewhere: the validator keeps lists of what has been evaluated
	weight  int  // of one evaluation, whatever the value
}

type patternRule struct {
	name *expression
	rule *rule
}

// ruling makes rules of what has been compiled, and takes over from the validator what it does too slowly.
type ruling struct {
	source *source
	known  map[*jsonschema.Schema]*rule
	all    []*rule // in the order in which they were met
	err    error
	upkeep bool

	anchors map[string][]*jsonschema.Schema // by "$dynamicAnchor"
}

// rules returns the rule of the whole schema.
func (s *source) rules(compiled *jsonschema.Schema) (*rule, error) {
	r := &ruling{source: s, known: map[*jsonschema.Schema]*rule{}}
	root := r.rule(compiled)
	if r.err != nil {
		return nil, r.err
	}
	for _, one := range r.all {
		one.upkeep = r.upkeep
	}
	return root, s.bound(r.all)
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
	if schema.DraftVersion != jsonschemaVersion && r.err == nil {
		r.err = fmt.Errorf("%w: part of it is of another dialect than %q", ErrSchema, Dialect)
	}
	r.readInPlace(one)
	r.readChildren(one)
	r.readWords(one)
	return one
}

// jsonschemaVersion is what the library calls the dialect.
const jsonschemaVersion = 2020

func (r *ruling) rules(schemas []*jsonschema.Schema) (all []*rule) {
	for _, schema := range schemas {
		all = append(all, r.rule(schema))
	}
	return all
}

func (r *ruling) readInPlace(one *rule) {
	s := one.schema
	s.RecursiveRef = nil // a word of an older dialect
	for _, schema := range []*jsonschema.Schema{s.Ref, s.Not, s.If, s.Then, s.Else} {
		if schema != nil {
			one.inPlace = append(one.inPlace, r.rule(schema))
		}
	}
	for _, schemas := range [][]*jsonschema.Schema{s.AllOf, s.AnyOf, s.OneOf} {
		one.inPlace = append(one.inPlace, r.rules(schemas)...)
	}
	for _, schema := range s.DependentSchemas {
		one.inPlace = append(one.inPlace, r.rule(schema))
	}
	for _, dependency := range s.Dependencies {
		if schema, ok := dependency.(*jsonschema.Schema); ok {
			one.inPlace = append(one.inPlace, r.rule(schema))
		}
	}
	if s.DynamicRef != nil {
		one.dynamic = r.rules(r.dynamicTargets(s.DynamicRef))
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
	one.prefix = r.rules(s.PrefixItems)
	one.items, one.contains, one.names = r.rule(s.Items2020), r.rule(s.Contains), r.rule(s.PropertyNames)
	one.leftKeys, one.leftItems = r.rule(s.UnevaluatedProperties), r.rule(s.UnevaluatedItems)
	r.upkeep = r.upkeep || one.leftKeys != nil || one.leftItems != nil
}

// readWords weighs what is no schema inside this one, and replaces what is slow.
func (r *ruling) readWords(one *rule) {
	s := one.schema
	one.pattern, _ = s.Pattern.(*expression)
	one.whole = s.Enum != nil || s.Const != nil || s.UniqueItems
	one.weight += len(s.Required) / namesOfOne
	for _, required := range s.DependentRequired {
		one.weight += 1 + len(required)/namesOfOne
	}
	for _, bound := range []bool{
		s.Types != nil, s.Minimum != nil, s.Maximum != nil, s.ExclusiveMinimum != nil, s.ExclusiveMaximum != nil, s.MultipleOf != nil,
	} {
		if bound {
			one.weight++
		}
	}
	r.replace(one)
	r.repair(one)
}

// namesOfOne is how many names are as much work as one evaluation, and take as much memory if they are missing.
const namesOfOne = 8

func (r *ruling) replace(one *rule) {
	s := one.schema
	if s.Const != nil {
		want := *s.Const
		s.Const = nil
		s.Extensions = append(s.Extensions, newAllowed([]any{want}, func(got any) jsonschema.ErrorKind {
			return &kind.Const{Got: got, Want: want}
		}))
	}
	if s.Enum != nil {
		want := s.Enum.Values
		s.Enum = nil
		s.Extensions = append(s.Extensions, newAllowed(want, func(got any) jsonschema.ErrorKind {
			return &kind.Enum{Got: got, Want: want}
		}))
	}
	if s.UniqueItems {
		s.UniqueItems = false
		s.Extensions = append(s.Extensions, unique{})
	}
	if s.PropertyNames != nil {
		s.Extensions = append(s.Extensions, names{s.PropertyNames})
		s.PropertyNames = nil
	}
}

// repair sets right what the library makes of counts beyond its integers: anything at all.
func (r *ruling) repair(one *rule) {
	s, spelt := one.schema, r.source.find(one.schema)
	if spelt == nil {
		return
	}
	for word, count := range map[string]*int{
		"maxLength": s.MaxLength, "minLength": s.MinLength, "maxItems": s.MaxItems, "minItems": s.MinItems,
		"maxProperties": s.MaxProperties, "minProperties": s.MinProperties,
		"maxContains": s.MaxContains, "minContains": s.MinContains,
	} {
		const exact = 18 // digits that an int64 surely has
		if count == nil {
			continue
		}
		if d := readDecimal(spelt.child(word).spelt); d.exponent.Int64() > exact {
			*count = math.MaxInt
		}
	}
}

// dynamicTargets are all that a "$dynamicRef" may lead to: which one depends on where the validator comes from.
func (r *ruling) dynamicTargets(ref *jsonschema.DynamicRef) []*jsonschema.Schema {
	if r.anchors == nil {
		r.readAnchors()
	}
	first := ref.Ref
	if strings.HasPrefix(first.Location, Dialect[:strings.LastIndexByte(Dialect, '/')+1]) {
		// The metaschema refers to all of itself this way.
		if whole, err := r.source.compiler.Compile(Dialect); err == nil {
			first = whole
		}
	}
	return append([]*jsonschema.Schema{first}, r.anchors[ref.Anchor]...)
}

// readAnchors finds the schemas with a "$dynamicAnchor" in the text. Some are nowhere else.
func (r *ruling) readAnchors() {
	r.anchors = map[string][]*jsonschema.Schema{}
	r.source.root.walk(nil, func(path []string, m *member) {
		if m.key != "$dynamicAnchor" {
			return
		}
		anchor, err := unquoteIfString(&m.value)
		if err != nil {
			return
		}
		// What only looks like one, say inside an enum, may not compile; nothing leads there then.
		if schema, err := r.source.compiler.Compile(home + "#" + escapePath(path)); err == nil {
			r.anchors[anchor] = append(r.anchors[anchor], schema)
		}
	})
}
