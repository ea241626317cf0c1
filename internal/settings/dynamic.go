package settings

import (
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

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
	targets := []*jsonschema.Schema{first}
	for _, target := range r.anchors[ref.Anchor] {
		if target != first {
			targets = append(targets, target)
		}
	}
	return targets
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
