package settings

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// The validator compares a value with each one of an enum, making fractions of both whenever they
// are numbers, and its hash of what should be unique is easily made to collide. These do it in the
// time that reading the value takes, however many there are to compare with.

// canonical spells a value so that equal values, and only those, are the same bytes.
func canonical(to []byte, value any) []byte {
	switch v := value.(type) {
	case bool:
		return strconv.AppendBool(to, v)
	case string:
		to = append(strconv.AppendInt(to, int64(len(v)), 10), '"')
		return append(to, v...)
	case json.Number:
		return canonicalNumber(to, string(v))
	case []any:
		to = append(to, '[')
		for _, element := range v {
			to = append(canonical(to, element), ',')
		}
		return append(to, ']')
	case map[string]any:
		to = append(to, '{')
		for _, key := range sortedKeys(v) {
			to = append(canonical(canonical(to, key), v[key]), ',')
		}
		return append(to, '}')
	}
	return append(to, "null"...)
}

func canonicalNumber(to []byte, spelt string) []byte {
	d := readDecimal(spelt)
	if d.digits == "" {
		return append(to, '0')
	}
	if d.negative {
		to = append(to, '-')
	}
	to = append(append(to, d.digits...), 'e')
	return d.exponent.Append(to, 10)
}

func sortedKeys(object map[string]any) []string {
	keys := make([]string, 0, len(object))
	for key := range object {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// allowed is "enum", or "const".
type allowed struct {
	values map[string]struct{}
	wrong  func(got any) jsonschema.ErrorKind
}

func newAllowed(values []any, wrong func(got any) jsonschema.ErrorKind) allowed {
	a := allowed{make(map[string]struct{}, len(values)), wrong}
	for _, value := range values {
		a.values[string(canonical(nil, value))] = struct{}{}
	}
	return a
}

// Validate is that of [jsonschema.SchemaExt], as are the next two.
func (a allowed) Validate(context *jsonschema.ValidatorContext, value any) {
	var buffer [64]byte
	if _, ok := a.values[string(canonical(buffer[:0], value))]; !ok {
		context.AddError(a.wrong(value))
	}
}

// unique is "uniqueItems".
type unique struct{}

func (unique) Validate(context *jsonschema.ValidatorContext, value any) {
	array, ok := value.([]any)
	if !ok {
		return
	}
	seen := make(map[string]int, len(array))
	var buffer []byte
	for i, element := range array {
		buffer = canonical(buffer[:0], element)
		if first, ok := seen[string(buffer)]; ok {
			context.AddError(&kind.UniqueItems{Duplicates: [2]int{first, i}})
			return
		}
		seen[string(buffer)] = i
	}
}

// propertyNames is the word of that name. The validator's own says of a wrong name that it is
// anywhere but where it is.
type propertyNames struct{ schema *jsonschema.Schema }

func (n propertyNames) Validate(context *jsonschema.ValidatorContext, value any) {
	object, ok := value.(map[string]any)
	if !ok {
		return
	}
	for _, key := range sortedKeys(object) {
		var wrong *jsonschema.ValidationError
		if errors.As(n.schema.Validate(key), &wrong) {
			context.AddErrors([]*jsonschema.ValidationError{wrong},
				&kind.PropertyNames{Property: key})
		}
	}
}
