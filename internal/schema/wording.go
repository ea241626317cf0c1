package schema

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/outset-settings/outset/internal/jsontree"
)

// say words a fault for a person.
func (f fault) say() string {
	switch k := f.by.ErrorKind.(type) {
	case *kind.Required:
		return "is missing the property " + quoted(f.missing)
	case *kind.DependentRequired:
		return "is missing the property " + quoted(f.missing) + ", which " + quoted(k.Prop) +
			" requires"
	case *kind.Dependency:
		return "is missing the property " + quoted(f.missing) + ", which " + quoted(k.Prop) +
			" requires"
	case *kind.AdditionalProperties:
		return "is not an allowed property"
	case *kind.PropertyNames:
		return wrongName(f.by)
	case *kind.AnyOf:
		return f.matchesNone()
	case *kind.OneOf:
		if f.keyword != "" {
			return f.matchesNone()
		}
	}
	return sayKind(f.by.ErrorKind)
}

func (f fault) matchesNone() string {
	return fmt.Sprintf("matches none of the %d schemas of %q", len(f.by.Causes), f.keyword)
}

// wrongName words the first thing that is wrong with a name.
func wrongName(e *jsonschema.ValidationError) string {
	text := "has a name that is not allowed"
	if reasons := faultsOf(e.Causes...).say(); len(reasons) > 0 {
		text += ": it " + reasons[0]
	}
	return text
}

// say words what is wrong with one value, in alphabetical order: the library's order varies.
func (f *faults) say() []string {
	reasons := make([]string, len(f.own))
	for i, one := range f.own {
		reasons[i] = jsontree.Cut(one.say(), maxReason)
	}
	slices.Sort(reasons)
	return slices.Compact(reasons)
}

// sayKind words what the library found. Its own words are about the keyword, not about the
// document: "minLength: got 1,000".
func sayKind(of jsonschema.ErrorKind) string {
	switch k := of.(type) {
	case nil:
		return "does not match the schema"
	case *kind.Type:
		return "must be " + withArticles(k.Want) + ", not " + withArticles([]string{k.Got})
	case *kind.FalseSchema:
		return "is not allowed here"
	case *kind.Const:
		return "must be " + spelling(k.Want)
	case *kind.Enum:
		return "must be one of " + listed(k.Want)
	case *kind.Format:
		return fmt.Sprintf("is not a valid %q: %v", k.Want, k.Err)
	case *kind.Not:
		return `must not match the schema of "not"`
	case *kind.OneOf:
		return fmt.Sprintf(`matches more than one schema of "oneOf": those at %d and %d`,
			k.Subschemas[0], k.Subschemas[1])
	}
	if text := ofSize(of); text != "" {
		return text
	}
	if text := ofNumber(of); text != "" {
		return text
	}
	return "does not match the schema's " + strconv.Quote(strings.Join(of.KeywordPath(), "/"))
}

func ofSize(of jsonschema.ErrorKind) string {
	switch k := of.(type) {
	case *kind.MinLength:
		return fmt.Sprintf("must have at least %s, not %d", count(k.Want, "character"), k.Got)
	case *kind.MaxLength:
		return fmt.Sprintf("must have at most %s, not %d", count(k.Want, "character"), k.Got)
	case *kind.Pattern:
		return "must match the pattern " + quoted(k.Want)
	case *kind.MinItems:
		return fmt.Sprintf("must have at least %s, not %d", count(k.Want, "item"), k.Got)
	case *kind.AdditionalItems:
		return fmt.Sprintf("has %s more than is allowed", count(k.Count, "item"))
	case *kind.MaxItems:
		return fmt.Sprintf("must have at most %s, not %d", count(k.Want, "item"), k.Got)
	case *kind.UniqueItems:
		return fmt.Sprintf("has the same item twice: at %d and %d", k.Duplicates[0],
			k.Duplicates[1])
	case *kind.Contains:
		return `has no item that matches the schema of "contains"`
	case *kind.MinContains:
		return fmt.Sprintf(`must have at least %s that match the schema of "contains", not %d`,
			count(k.Want, "item"), len(k.Got))
	case *kind.MaxContains:
		return fmt.Sprintf(`must have at most %s that match the schema of "contains", not %d`,
			count(k.Want, "item"), len(k.Got))
	case *kind.MinProperties:
		return fmt.Sprintf("must have at least %s, not %d", count(k.Want, "property"), k.Got)
	case *kind.MaxProperties:
		return fmt.Sprintf("must have at most %s, not %d", count(k.Want, "property"), k.Got)
	}
	return ""
}

func ofNumber(of jsonschema.ErrorKind) string {
	switch k := of.(type) {
	case *kind.Minimum:
		return "must be at least " + decimalOf(k.Want)
	case *kind.Maximum:
		return "must be at most " + decimalOf(k.Want)
	case *kind.ExclusiveMinimum:
		return "must be more than " + decimalOf(k.Want)
	case *kind.ExclusiveMaximum:
		return "must be less than " + decimalOf(k.Want)
	case *kind.MultipleOf:
		return "must be a multiple of " + decimalOf(k.Want)
	}
	return ""
}

func decimalOf(n *big.Rat) string {
	f, _ := n.Float64()
	return strconv.FormatFloat(f, 'g', -1, 64)
}

func count(n int, of string) string {
	switch {
	case n == 1:
		return "1 " + of
	case strings.HasSuffix(of, "y"):
		return fmt.Sprintf("%d %sies", n, strings.TrimSuffix(of, "y"))
	}
	return fmt.Sprintf("%d %ss", n, of)
}

func withArticles(types []string) string {
	var texts []string
	for _, name := range types {
		switch name {
		case "null":
			texts = append(texts, name)
		case "array", "integer", "object":
			texts = append(texts, "an "+name)
		default:
			texts = append(texts, "a "+name)
		}
	}
	return strings.Join(texts, " or ")
}

// listed names as many values as a reason may have.
func listed(values []any) string {
	var b strings.Builder
	for i, one := range values {
		if i > 0 {
			b.WriteString(", ")
		}
		if b.WriteString(spelling(one)); b.Len() > maxReason {
			break
		}
	}
	return b.String()
}

// spelling returns a value of the schema as JSON, but only the type of an array or object.
func spelling(of any) string {
	switch v := of.(type) {
	case nil:
		return "null"
	case string:
		return quoted(v)
	case bool, json.Number:
		return fmt.Sprint(v)
	case []any:
		return "a given array"
	default:
		return "a given object"
	}
}

// quoted quotes a name or text of the schema or the document.
func quoted(text string) string { return strconv.Quote(jsontree.Cut(text, maxReason)) }
