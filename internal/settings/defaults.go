package settings

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// maxViews is what the parts of a schema may come to that have a say in the same value's defaults, all such
// combinations together. Without words for the same property in several places there is one for each.
const maxViews = 100_000

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

// view is all that a schema says about the defaults of one value: that of several layers, the first of which
// counts where they differ.
type view struct {
	layers  []*layer // those that are followed, in this order
	value   *node    // nil: none
	members []viewMember
}

type viewMember struct {
	name, key string
	view      *view
}

// viewing makes views of layers, as one makes a machine without choices of one with choices.
type viewing struct {
	known map[string]*view // by the layers' ids
	todo  []*view
	room  int // of maxViews
}

// views returns the view of a whole document, or nil if there are no defaults.
func (s *source) views(compiled *jsonschema.Schema) (*view, error) {
	whole := s.layers(compiled)
	if !whole.leads {
		return nil, nil //nolint:nilnil // there are none
	}
	v := &viewing{known: map[string]*view{}, room: maxViews}
	root := v.view(whole.follow(nil, map[*layer]bool{}))
	for len(v.todo) > 0 {
		next := v.todo[0]
		if v.todo = v.todo[1:]; !v.fill(next) {
			return nil, fmt.Errorf("%w: its defaults can be combined in more than %d ways", ErrSchema, maxViews)
		}
	}
	return root, nil
}

// follow adds the layer and all those that the same value has its defaults from, each once.
func (one *layer) follow(to []*layer, seen map[*layer]bool) []*layer {
	if seen[one] || !one.leads {
		return to
	}
	seen[one] = true
	if one.value != nil || len(one.properties) > 0 { // else a view of the same would look like another
		to = append(to, one)
	}
	for _, next := range one.next {
		to = next.follow(to, seen)
	}
	return to
}

func (v *viewing) view(layers []*layer) *view {
	var b strings.Builder
	for _, one := range layers {
		b.WriteString(strconv.Itoa(one.id))
		b.WriteByte(' ')
	}
	if known, ok := v.known[b.String()]; ok {
		return known
	}
	made := &view{layers: layers}
	v.known[b.String()] = made
	v.todo = append(v.todo, made)
	v.room -= len(layers)
	return made
}

// fill finds out what the layers of a view say together. It returns false if there is no room for it.
func (v *viewing) fill(made *view) bool {
	var names []property // the first of each key
	said := map[string][]*layer{}
	for _, one := range made.layers {
		if made.value == nil {
			made.value = one.value
		}
		for _, p := range one.properties {
			if said[p.key] == nil {
				names = append(names, p)
			}
			said[p.key] = append(said[p.key], p.layer)
		}
		v.room -= len(one.properties)
	}
	for _, p := range names {
		var layers []*layer
		seen := map[*layer]bool{}
		for _, one := range said[p.key] {
			layers = one.follow(layers, seen)
		}
		made.members = append(made.members, viewMember{p.name, p.key, v.view(layers)})
		if v.room < 0 {
			return false
		}
	}
	return v.room >= 0
}
