package schema

import (
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// fault is one thing that is wrong with a value. It is put into words only if these are wanted: a
// document can have thirty thousand.
type fault struct {
	by      *jsonschema.ValidationError
	missing string // the name of the property, if one is missing
	keyword string // "anyOf" or "oneOf", if the value matches none of its schemas
}

// faults are what is wrong with a value, and with those in it. The library's errors are a tree that
// follows the schema; this is one that follows the document, so that the first faults in that can
// be told. No paths are kept: with each of 30,000 faults thirty levels deep they took 400 MB.
type faults struct {
	own    []fault
	inside map[string]*faults // by key, or index
}

// faultsOf sorts what the library found by where it is in the document.
func faultsOf(e *jsonschema.ValidationError) *faults {
	s := sorter{trail: []*faults{{}}}
	s.sort(e)
	return s.trail[0]
}

// sorter puts the leaves of the library's tree where they belong.
type sorter struct {
	path  []string  // of the last one, to which the next is mostly close
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

// sort adds the leaves of an error: what is wrong in the end.
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

// lack adds what is missing, as far as it may be shown: the names are in the order of the schema.
func (f *faults) lack(e *jsonschema.ValidationError, names []string) {
	for _, name := range names[:min(len(names), MaxViolations+1)] {
		f.add(fault{by: e, missing: name})
	}
}

// failedInPlace tells whether something is wrong with the value itself, or in a schema that it is
// also checked against. Whatever that schema allows in the value counts as unevaluated then, and
// must not be called wrong.
func failedInPlace(e *jsonschema.ValidationError) bool {
	return slices.ContainsFunc(e.Causes, func(cause *jsonschema.ValidationError) bool {
		switch cause.ErrorKind.(type) {
		case *kind.Group, *kind.Reference, *kind.AllOf, *kind.AnyOf, *kind.OneOf:
			return true
		}
		return len(cause.InstanceLocation) == len(e.InstanceLocation)
	})
}

// unevaluated tells whether a value is refused by "unevaluatedProperties" or "unevaluatedItems".
func unevaluated(e *jsonschema.ValidationError) bool {
	_, refused := e.ErrorKind.(*kind.FalseSchema)
	return refused && strings.Contains(e.SchemaURL[strings.LastIndexByte(e.SchemaURL, '/')+1:],
		"unevaluated")
}

// alternatives adds that a value matches none of the schemas of "anyOf" or "oneOf". If it has the
// type of only one of them, what is wrong with it is what that one finds.
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

// ofOtherType tells whether the value, at this depth in the document, has not the type that it must
// have.
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
