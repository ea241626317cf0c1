package settings

import (
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// fault is one thing that is wrong with a document. It is put into words only if these are wanted: a document
// can have a hundred thousand.
type fault struct {
	path   []string
	reason func() string
}

// faults adds what is wrong in the end: the leaves of the validator's tree. What comes of "anyOf" and
// "oneOf" is worded by alternatives.
func faults(to []fault, e *jsonschema.ValidationError) []fault {
	at := e.InstanceLocation
	switch k := e.ErrorKind.(type) {
	case *kind.Schema, *kind.Group, *kind.Reference, *kind.AllOf:
		skip := failedInPlace(e)
		for _, cause := range e.Causes {
			if !skip || !unevaluated(cause) {
				to = faults(to, cause)
			}
		}
		return to
	case *kind.AnyOf:
		return alternatives(to, e, "anyOf")
	case *kind.OneOf:
		if len(k.Subschemas) == 0 {
			return alternatives(to, e, "oneOf")
		}
	case *kind.Required:
		return lacking(to, at, k.Missing, "")
	case *kind.DependentRequired:
		return lacking(to, at, k.Missing, k.Prop)
	case *kind.Dependency:
		return lacking(to, at, k.Missing, k.Prop)
	case *kind.AdditionalProperties:
		for _, key := range k.Properties {
			to = append(to, fault{inside(at, key), func() string { return "is not a property that may be here" }})
		}
		return to
	case *kind.PropertyNames:
		return append(to, fault{inside(at, k.Property), func() string { return wrongName(e.Causes) }})
	}
	return append(to, fault{at, func() string { return reason(e.ErrorKind) }})
}

func inside(path []string, key string) []string { return slices.Concat(path, []string{key}) }

// failedInPlace tells whether something is wrong with the value itself, or in a schema that it is held to as
// well. What that would have allowed to be in the value counts as unevaluated then, and should not be called wrong.
func failedInPlace(e *jsonschema.ValidationError) bool {
	return slices.ContainsFunc(e.Causes, func(cause *jsonschema.ValidationError) bool {
		switch cause.ErrorKind.(type) {
		case *kind.Group, *kind.Reference, *kind.AllOf, *kind.AnyOf, *kind.OneOf:
			return true
		}
		return len(cause.InstanceLocation) == len(e.InstanceLocation)
	})
}

// unevaluated tells whether a value is wrong for having been left to "unevaluatedProperties": false, or items.
func unevaluated(e *jsonschema.ValidationError) bool {
	_, refused := e.ErrorKind.(*kind.FalseSchema)
	return refused && strings.Contains(e.SchemaURL[strings.LastIndexByte(e.SchemaURL, '/')+1:], "unevaluated")
}

func lacking(to []fault, at, names []string, beside string) []fault {
	for _, name := range names {
		to = append(to, fault{at, func() string {
			text := "is missing the property " + quoted(name)
			if beside != "" {
				text += ", which goes with " + quoted(beside)
			}
			return text
		}})
	}
	return to
}

func wrongName(causes []*jsonschema.ValidationError) string {
	text := "has a name that may not be here"
	for _, cause := range causes {
		for _, one := range faults(nil, cause)[:1] {
			text += ": it " + one.reason()
		}
	}
	return text
}

// alternatives adds that a value is none of those that it may be. If it is clear which one it was meant to be,
// what is wrong is what keeps it from that.
func alternatives(to []fault, e *jsonschema.ValidationError, word string) []fault {
	var meant *jsonschema.ValidationError
	candidates, own := 0, true
	for _, cause := range e.Causes {
		if !another(e, cause) {
			candidates++
			meant = cause
		}
		own = own && single(cause, len(e.InstanceLocation))
	}
	switch {
	case candidates == 1:
		return faults(to, meant)
	case own:
		return append(to, fault{e.InstanceLocation, func() string { return joined(e.Causes) }})
	}
	return append(to, fault{e.InstanceLocation, func() string {
		return fmt.Sprintf("fits none of the %d schemas of %q", len(e.Causes), word)
	}})
}

// single tells whether one thing alone is wrong, and that with the value itself, which is so deep.
func single(e *jsonschema.ValidationError, depth int) bool {
	switch k := e.ErrorKind.(type) {
	case *kind.Schema, *kind.Group, *kind.Reference, *kind.AllOf:
		return len(e.Causes) == 1 && single(e.Causes[0], depth)
	case *kind.Required:
		return len(k.Missing) == 1 && len(e.InstanceLocation) == depth
	case *kind.AnyOf, *kind.DependentRequired, *kind.Dependency, *kind.AdditionalProperties, *kind.PropertyNames:
		return false
	case *kind.OneOf:
		return len(k.Subschemas) > 0 && len(e.InstanceLocation) == depth
	}
	return len(e.InstanceLocation) == depth
}

// another tells whether the value was meant to be something else than this alternative: it has another type, or
// it, or what is directly in it, another value than the one that it must have.
func another(value, e *jsonschema.ValidationError) bool {
	deeper := len(e.InstanceLocation) - len(value.InstanceLocation)
	switch e.ErrorKind.(type) {
	case *kind.Schema, *kind.Group, *kind.Reference, *kind.AllOf:
		return slices.ContainsFunc(e.Causes, func(cause *jsonschema.ValidationError) bool { return another(value, cause) })
	case *kind.Type, *kind.FalseSchema:
		return deeper == 0
	case *kind.Const, *kind.Enum:
		return deeper <= 1
	}
	return false
}

// joined says the reasons of all, each once, as far as there is room.
func joined(causes []*jsonschema.ValidationError) string {
	text := ""
	said := map[string]bool{}
	for _, cause := range causes {
		for _, one := range faults(nil, cause) {
			reason := one.reason()
			if said[reason] || len(text) > maxReason {
				continue
			}
			if said[reason] = true; text != "" {
				text += ", or "
			}
			text += reason
		}
	}
	return text
}
