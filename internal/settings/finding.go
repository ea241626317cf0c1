package settings

import (
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// finding is one thing that is wrong with a value. It is put into words only if these are wanted: a
// document can have thirty thousand.
type finding struct {
	by   *jsonschema.ValidationError
	name string // what is missing, if that is what is wrong
	word string // "anyOf" or "oneOf", if it fits none of them
}

// findings are what is wrong with a value, and with those in it. No paths are kept: with each of
// 30,000 faults thirty levels deep they took 400 MB.
type findings struct {
	own    []finding
	inside map[string]*findings // by key, or index
}

// finder sorts the leaves of the validator's tree by what they are about.
type finder struct {
	path  []string    // of the last, which the next is mostly close to
	trail []*findings // to there, from the whole document on
}

func newFinder() *finder { return &finder{trail: []*findings{{}}} }

func (f *finder) root() *findings { return f.trail[0] }

// at returns those of the value at the path.
func (f *finder) at(path []string) *findings {
	same := 0
	for same < min(len(path), len(f.path)) && path[same] == f.path[same] {
		same++
	}
	f.path, f.trail = path, f.trail[:same+1]
	for _, token := range path[same:] {
		f.trail = append(f.trail, f.trail[len(f.trail)-1].child(token))
	}
	return f.trail[len(path)]
}

func (f *findings) child(token string) *findings {
	if child := f.inside[token]; child != nil {
		return child
	}
	if f.inside == nil {
		f.inside = map[string]*findings{}
	}
	child := &findings{}
	f.inside[token] = child
	return child
}

func (f *findings) add(one finding) { f.own = append(f.own, one) }

// find adds what is wrong in the end.
func (f *finder) find(e *jsonschema.ValidationError) {
	at := e.InstanceLocation
	switch k := e.ErrorKind.(type) {
	case *kind.Schema, *kind.Group, *kind.Reference, *kind.AllOf:
		f.findAll(e)
	case *kind.AnyOf:
		f.alternatives(e, "anyOf")
	case *kind.OneOf:
		if len(k.Subschemas) > 0 {
			f.at(at).add(finding{by: e})
		} else {
			f.alternatives(e, "oneOf")
		}
	case *kind.Required:
		f.at(at).lack(e, k.Missing)
	case *kind.DependentRequired:
		f.at(at).lack(e, k.Missing)
	case *kind.Dependency:
		f.at(at).lack(e, k.Missing)
	case *kind.AdditionalProperties:
		for _, key := range k.Properties {
			f.at(at).child(key).add(finding{by: e})
		}
	case *kind.PropertyNames:
		f.at(at).child(k.Property).add(finding{by: e})
	default:
		f.at(at).add(finding{by: e})
	}
}

func (f *finder) findAll(e *jsonschema.ValidationError) {
	skip := failedInPlace(e)
	for _, cause := range e.Causes {
		if !skip || !unevaluated(cause) {
			f.find(cause)
		}
	}
}

// lack adds what is missing, as far as it may be shown: the names are in the order of the schema.
func (f *findings) lack(e *jsonschema.ValidationError, names []string) {
	for _, name := range names[:min(len(names), MaxViolations+1)] {
		f.add(finding{by: e, name: name})
	}
}

// failedInPlace tells whether something is wrong with the value itself, or in a schema that it is
// held to as well. What that would have allowed to be in the value counts as unevaluated then, and
// should not be called wrong.
func failedInPlace(e *jsonschema.ValidationError) bool {
	return slices.ContainsFunc(e.Causes, func(cause *jsonschema.ValidationError) bool {
		switch cause.ErrorKind.(type) {
		case *kind.Group, *kind.Reference, *kind.AllOf, *kind.AnyOf, *kind.OneOf:
			return true
		}
		return len(cause.InstanceLocation) == len(e.InstanceLocation)
	})
}

// unevaluated tells whether a value is wrong for having been left to "unevaluatedProperties":
// false, or items.
func unevaluated(e *jsonschema.ValidationError) bool {
	_, refused := e.ErrorKind.(*kind.FalseSchema)
	return refused && strings.Contains(e.SchemaURL[strings.LastIndexByte(e.SchemaURL, '/')+1:],
		"unevaluated")
}

// alternatives adds that a value is none of those that it may be. If only one of them has its type,
// what is wrong is what keeps it from that.
func (f *finder) alternatives(e *jsonschema.ValidationError, word string) {
	var meant []*jsonschema.ValidationError
	for _, cause := range e.Causes {
		if !ofOtherType(cause, len(e.InstanceLocation)) {
			meant = append(meant, cause)
		}
	}
	if len(meant) == 1 {
		f.find(meant[0])
		return
	}
	f.at(e.InstanceLocation).add(finding{by: e, word: word})
}

// ofOtherType tells whether the value, which is so deep, has not the type that it must have.
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

// say words it for a person.
func (f finding) say() string {
	switch k := f.by.ErrorKind.(type) {
	case *kind.Required:
		return "is missing the property " + quoted(f.name)
	case *kind.DependentRequired:
		return "is missing the property " + quoted(f.name) + ", which goes with " + quoted(k.Prop)
	case *kind.Dependency:
		return "is missing the property " + quoted(f.name) + ", which goes with " + quoted(k.Prop)
	case *kind.AdditionalProperties:
		return "is not a property that may be here"
	case *kind.PropertyNames:
		return wrongName(f.by)
	case *kind.AnyOf:
		return f.fitsNone()
	case *kind.OneOf:
		if f.word != "" {
			return f.fitsNone()
		}
	}
	return sayKind(f.by.ErrorKind)
}

func (f finding) fitsNone() string {
	return fmt.Sprintf("fits none of the %d schemas of %q", len(f.by.Causes), f.word)
}

// wrongName says the first thing that is wrong with the name, which has nothing in it.
func wrongName(e *jsonschema.ValidationError) string {
	text := "has a name that may not be here"
	f := newFinder()
	for _, cause := range e.Causes {
		f.find(cause)
	}
	if said := f.at(nil).say(); len(said) > 0 {
		text += ": it " + said[0]
	}
	return text
}

// say words what is wrong with one value, in the order of these words: the validator has none.
func (f *findings) say() []string {
	words := make([]string, len(f.own))
	for i, one := range f.own {
		words[i] = cut(one.say(), maxReason)
	}
	slices.Sort(words)
	return slices.Compact(words)
}
