package settings

import (
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// layer is a schema as far as it is about defaults.
type layer struct {
	id         int
	value      *node // its own "default"
	properties []property
	next       []*layer // what else the same value has its defaults from: "$ref", then "allOf"
	leads      bool     // to a default, its own or a deeper one
}

// property is one that a layer has a word on.
type property struct {
	name, key string // as the schema spells it, and what that says
	layer     *layer
}

// layering makes layers of what has been compiled.
type layering struct {
	source *source
	known  map[*jsonschema.Schema]*layer
	all    []*layer
	from   map[*layer][]*layer // those that lead to one at once
}

// layers returns the layer of the whole schema, with nothing in it that leads to no default. References out of
// the text lead to the metaschema, which is not followed: no document's defaults are there.
func (s *source) layers(compiled *jsonschema.Schema) *layer {
	l := &layering{source: s, known: map[*jsonschema.Schema]*layer{}, from: map[*layer][]*layer{}}
	root := l.layer(compiled)
	for _, one := range l.all {
		if one.value != nil {
			l.mark(one)
		}
	}
	for _, one := range l.all {
		one.prune()
	}
	return root
}

func (l *layering) layer(schema *jsonschema.Schema) *layer {
	if known, ok := l.known[schema]; ok {
		return known
	}
	one := &layer{id: len(l.all)}
	l.known[schema] = one
	l.all = append(l.all, one)
	spelt := l.source.find(schema)
	if spelt == nil || spelt.object == nil {
		return one
	}
	one.value = spelt.child("default")
	l.readProperties(one, schema, spelt.child("properties"))
	if schema.Ref != nil {
		one.next = append(one.next, l.step(one, schema.Ref))
	}
	for _, part := range schema.AllOf {
		one.next = append(one.next, l.step(one, part))
	}
	return one
}

func (l *layering) step(from *layer, to *jsonschema.Schema) *layer {
	next := l.layer(to)
	l.from[next] = append(l.from[next], from)
	return next
}

// readProperties keeps the order of the text, which the compiled schema has lost.
func (l *layering) readProperties(one *layer, schema *jsonschema.Schema, spelt *node) {
	if len(schema.Properties) == 0 {
		return
	}
	for i := range spelt.object.members {
		m := &spelt.object.members[i]
		one.properties = append(one.properties, property{m.name, m.key, l.step(one, schema.Properties[m.key])})
	}
}

func (l *layering) mark(one *layer) {
	if one.leads {
		return
	}
	one.leads = true
	for _, from := range l.from[one] {
		l.mark(from)
	}
}

func (one *layer) prune() {
	var properties []property
	for _, p := range one.properties {
		if p.layer.leads {
			properties = append(properties, p)
		}
	}
	var next []*layer
	for _, n := range one.next {
		if n.leads {
			next = append(next, n)
		}
	}
	one.properties, one.next = properties, next
}
