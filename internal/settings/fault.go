package settings

import (
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// found is one thing that is wrong with a document, in whole length.
type found struct{ pointer, reason string }

// faults adds what is wrong in the end: the leaves of the validator's tree. What comes of "anyOf" and
// "oneOf" is worded by alternatives.
func faults(to []found, e *jsonschema.ValidationError) []found {
	at := pointer(e.InstanceLocation)
	switch k := e.ErrorKind.(type) {
	case *kind.Schema, *kind.Group, *kind.Reference, *kind.AllOf:
		for _, cause := range e.Causes {
			if !follows(e, cause) {
				to = faults(to, cause)
			}
		}
		return to
	case *kind.AnyOf:
		return append(to, alternatives(at, "anyOf", e.Causes)...)
	case *kind.OneOf:
		if len(k.Subschemas) == 0 {
			return append(to, alternatives(at, "oneOf", e.Causes)...)
		}
	case *kind.Required:
		return append(to, lacking(at, k.Missing, "is missing the property %q")...)
	case *kind.DependentRequired:
		return append(to, lacking(at, k.Missing, "is missing the property %q, which goes with "+quoted(k.Prop))...)
	case *kind.Dependency:
		return append(to, lacking(at, k.Missing, "is missing the property %q, which goes with "+quoted(k.Prop))...)
	case *kind.AdditionalProperties:
		for _, key := range k.Properties {
			to = append(to, found{at + pointer([]string{key}), "is not a property that may be here"})
		}
		return to
	case *kind.PropertyNames:
		return append(to, found{at + pointer([]string{k.Property}), wrongName(e.Causes)})
	}
	return append(to, found{at, cut(reason(e.ErrorKind), maxReason)})
}

// follows tells whether a cause only follows from another: what a schema in place would have allowed counts as
// unevaluated when something else in it failed.
func follows(e, cause *jsonschema.ValidationError) bool {
	if !unevaluated(cause) {
		return false
	}
	for _, other := range e.Causes {
		if len(other.InstanceLocation) == len(e.InstanceLocation) && !unevaluated(other) {
			return true
		}
		switch other.ErrorKind.(type) {
		case *kind.Group, *kind.Reference, *kind.AllOf, *kind.AnyOf, *kind.OneOf:
			return true
		}
	}
	return false
}

func unevaluated(e *jsonschema.ValidationError) bool {
	_, refused := e.ErrorKind.(*kind.FalseSchema)
	return refused && strings.Contains(e.SchemaURL[strings.LastIndexByte(e.SchemaURL, '/')+1:], "unevaluated")
}

func wrongName(causes []*jsonschema.ValidationError) string {
	text := "has a name that may not be here"
	for _, cause := range causes {
		for _, one := range faults(nil, cause)[:1] {
			text += ": it " + one.reason
		}
	}
	return cut(text, maxReason)
}

// alternatives words that a value is none of those that it may be. If it is clear which one it was meant to be,
// what is wrong is what keeps it from that.
func alternatives(at, word string, causes []*jsonschema.ValidationError) []found {
	var meant, own []found
	candidates := 0
	for _, cause := range causes {
		all := faults(nil, cause)
		if !another(at, cause) {
			candidates++
			meant = all
		}
		if len(all) == 1 && all[0].pointer == at {
			own = append(own, all[0])
		}
	}
	if candidates == 1 {
		return meant
	}
	if len(own) == len(causes) {
		return []found{{at, cut(joined(own), maxReason)}}
	}
	return []found{{at, fmt.Sprintf("fits none of the %d schemas of %q", len(causes), word)}}
}

// another tells whether the value was meant to be something else than this alternative: it has another type, or
// it, or what is directly in it, another value than the one that it must have.
func another(at string, e *jsonschema.ValidationError) bool {
	switch e.ErrorKind.(type) {
	case *kind.Schema, *kind.Group, *kind.Reference, *kind.AllOf:
		for _, cause := range e.Causes {
			if another(at, cause) {
				return true
			}
		}
	case *kind.Type, *kind.FalseSchema:
		return pointer(e.InstanceLocation) == at
	case *kind.Const, *kind.Enum:
		rest := strings.TrimPrefix(pointer(e.InstanceLocation), at)
		return strings.LastIndexByte(rest, '/') <= 0
	}
	return false
}

// joined says all reasons once.
func joined(all []found) string {
	var b strings.Builder
	said := map[string]bool{}
	for _, one := range all {
		if said[one.reason] || b.Len() > maxReason {
			continue
		}
		said[one.reason] = true
		if b.Len() > 0 {
			b.WriteString(", or ")
		}
		b.WriteString(one.reason)
	}
	return b.String()
}
