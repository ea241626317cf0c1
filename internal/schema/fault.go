package schema

import (
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// fault is one thing that is wrong with a value. It is worded only when it is reported, since a
// document can have thirty thousand.
type fault struct {
	by      *jsonschema.ValidationError
	missing string // the name of the property, if one is missing
	keyword string // "anyOf" or "oneOf", if the value matches none of its schemas
}

// faults is what is wrong with a value and with the values inside it. The library's errors form a
// tree like the schema's; faultsOf makes one like the document's, so that the first faults in the
// document can be reported. No paths are kept: with 30,000 faults at thirty levels they took 400
// MB.
type faults struct {
	own    []fault
	inside map[string]*faults // by key, or index
}

// faultsOf sorts the library's errors by their location in the document.
func faultsOf(errs ...*jsonschema.ValidationError) *faults {
	s := sorter{trail: []*faults{{}}}
	for _, e := range errs {
		s.sort(e)
	}
	return s.trail[0]
}

// sorter adds the leaves of the library's tree to the faults of the values that they are about.
type sorter struct {
	path  []string  // of the last leaf; the next is usually close to it
	trail []*faults // along the path, from the whole document on
}

// at returns the faults of the value at the path.
func (s *sorter) at(path []string) *faults {
	same := 0
	for same < min(len(path), len(s.path)) && path[same] == s.path[same] {
		same++
	}
	s.path, s.trail = path, s.trail[:same+1]
	for _, token := range path[same:] {
		s.trail = append(s.trail, s.trail[len(s.trail)-1].child(token))
	}
	return s.trail[len(path)]
}

func (f *faults) child(token string) *faults {
	if child := f.inside[token]; child != nil {
		return child
	}
	if f.inside == nil {
		f.inside = map[string]*faults{}
	}
	child := &faults{}
	f.inside[token] = child
	return child
}

func (f *faults) add(one fault) { f.own = append(f.own, one) }

// sort adds the leaves of an error.
func (s *sorter) sort(e *jsonschema.ValidationError) {
	at := e.InstanceLocation
	switch k := e.ErrorKind.(type) {
	case *kind.Schema, *kind.Group, *kind.Reference, *kind.AllOf:
		s.sortCauses(e)
	case *kind.AnyOf:
		s.alternatives(e, "anyOf")
	case *kind.OneOf:
		if len(k.Subschemas) > 0 {
			s.at(at).add(fault{by: e})
		} else {
			s.alternatives(e, "oneOf")
		}
	case *kind.Required:
		s.at(at).lack(e, k.Missing)
	case *kind.DependentRequired:
		s.at(at).lack(e, k.Missing)
	case *kind.Dependency:
		s.at(at).lack(e, k.Missing)
	case *kind.AdditionalProperties:
		for _, key := range k.Properties {
			s.at(at).child(key).add(fault{by: e})
		}
	case *kind.PropertyNames:
		s.at(at).child(k.Property).add(fault{by: e})
	default:
		s.at(at).add(fault{by: e})
	}
}

func (s *sorter) sortCauses(e *jsonschema.ValidationError) {
	skip := failedInPlace(e)
	for _, cause := range e.Causes {
		if !skip || !unevaluated(cause) {
			s.sort(cause)
		}
	}
}

// lack adds the missing properties, no more than can be reported, in the order of the schema.
func (f *faults) lack(e *jsonschema.ValidationError, names []string) {
	for _, name := range names[:min(len(names), MaxViolations+1)] {
		f.add(fault{by: e, missing: name})
	}
}

// failedInPlace reports whether the value itself is wrong, or fails another schema that it is
// checked against. What that schema allows inside the value then counts as unevaluated, and must
// not be reported.
func failedInPlace(e *jsonschema.ValidationError) bool {
	return slices.ContainsFunc(e.Causes, func(cause *jsonschema.ValidationError) bool {
		switch cause.ErrorKind.(type) {
		case *kind.Group, *kind.Reference, *kind.AllOf, *kind.AnyOf, *kind.OneOf:
			return true
		}
		return len(cause.InstanceLocation) == len(e.InstanceLocation)
	})
}

// unevaluated reports whether the error is that of "unevaluatedProperties" or "unevaluatedItems".
func unevaluated(e *jsonschema.ValidationError) bool {
	_, refused := e.ErrorKind.(*kind.FalseSchema)
	return refused && strings.Contains(e.SchemaURL[strings.LastIndexByte(e.SchemaURL, '/')+1:],
		"unevaluated")
}

// alternatives adds that a value matches none of the schemas of "anyOf" or "oneOf". If only one of
// them allows the value's type, it adds the errors of that one instead.
func (s *sorter) alternatives(e *jsonschema.ValidationError, keyword string) {
	var meant []*jsonschema.ValidationError
	for _, cause := range e.Causes {
		if !ofOtherType(cause, len(e.InstanceLocation)) {
			meant = append(meant, cause)
		}
	}
	if len(meant) == 1 {
		s.sort(meant[0])
		return
	}
	s.at(e.InstanceLocation).add(fault{by: e, keyword: keyword})
}

// ofOtherType reports whether the error is that the value, at this depth in the document, has the
// wrong type.
func ofOtherType(e *jsonschema.ValidationError, depth int) bool {
	switch e.ErrorKind.(type) {
	case *kind.Schema, *kind.Group, *kind.Reference, *kind.AllOf:
		return slices.ContainsFunc(e.Causes, func(cause *jsonschema.ValidationError) bool {
			return ofOtherType(cause, depth)
		})
	case *kind.Type, *kind.FalseSchema:
		return len(e.InstanceLocation) == depth
	}
	return false
}
