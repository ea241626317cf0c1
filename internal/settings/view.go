package settings

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// maxViews is how often a part of a schema may have a say in the defaults of a value, for all values that the
// schema tells apart, of which there can be exponentially many. Where each property has its words in one place it
// is about once for each. It takes 0.1 s and 20 MB.
const maxViews = 300_000

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
		if v.room -= len(layers); v.room < 0 {
			return false
		}
		made.members = append(made.members, viewMember{p.name, p.key, v.view(layers)})
	}
	return v.room >= 0
}
