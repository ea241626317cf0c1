package schema

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/outset-settings/outset/internal/jsontree"
)

// The library compares a value with each value of an "enum", and makes fractions of numbers each
// time. Its hash for "uniqueItems" is easily made to collide: 64 KiB of arrays take it minutes. The
// keywords here compare canonical spellings instead, in the time that it takes to read the value.

// replaceSlow replaces the keywords that the library is too slow for by our own.
func replaceSlow(s *jsonschema.Schema, w *work) {
	if s.Const != nil {
		want := *s.Const
		s.Const = nil
		s.Extensions = append(s.Extensions, newAllowed([]any{want}, w,
			func(got any) jsonschema.ErrorKind { return &kind.Const{Got: got, Want: want} }))
	}
	if s.Enum != nil {
		want := s.Enum.Values
		s.Enum = nil
		s.Extensions = append(s.Extensions, newAllowed(want, w,
			func(got any) jsonschema.ErrorKind { return &kind.Enum{Got: got, Want: want} }))
	}
	if s.UniqueItems {
		s.UniqueItems = false
		s.Extensions = append(s.Extensions, unique{w})
	}
	if s.PropertyNames != nil {
		s.Extensions = append(s.Extensions, propertyNames{s.PropertyNames})
		s.PropertyNames = nil
	}
}

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
		for _, key := range slices.Sorted(maps.Keys(v)) {
			to = append(canonical(canonical(to, key), v[key]), ',')
		}
		return append(to, '}')
	}
	return append(to, "null"...)
}

func canonicalNumber(to []byte, spelt string) []byte {
	d := jsontree.ReadDecimal(spelt)
	if d.Digits == "" {
		return append(to, '0')
	}
	if d.Negative {
		to = append(to, '-')
	}
	to = append(append(to, d.Digits...), 'e')
	return d.Exponent.Append(to, 10)
}

// allowed is our "enum" and "const".
type allowed struct {
	values map[string]struct{}
	work   *work
	wrong  func(got any) jsonschema.ErrorKind
}

func newAllowed(values []any, w *work, wrong func(got any) jsonschema.ErrorKind) allowed {
	a := allowed{make(map[string]struct{}, len(values)), w, wrong}
	for _, value := range values {
		a.values[string(canonical(nil, value))] = struct{}{}
	}
	return a
}

// Validate is that of [jsonschema.SchemaExt].
func (a allowed) Validate(context *jsonschema.ValidatorContext, value any) {
	var buffer [64]byte
	spelt := canonical(buffer[:0], value)
	a.work.spend(len(spelt) / bytesOfOne)
	if _, ok := a.values[string(spelt)]; !ok {
		context.AddError(a.wrong(value))
	}
}

// unique is our "uniqueItems".
type unique struct{ work *work }

// Validate is that of [jsonschema.SchemaExt].
func (u unique) Validate(context *jsonschema.ValidatorContext, value any) {
	array, ok := value.([]any)
	if !ok {
		return
	}
	seen := make(map[string]int, len(array))
	var buffer []byte
	for i, element := range array {
		buffer = canonical(buffer[:0], element)
		u.work.spend(len(buffer) / bytesOfOne)
		if first, ok := seen[string(buffer)]; ok {
			context.AddError(&kind.UniqueItems{Duplicates: [2]int{first, i}})
			return
		}
		seen[string(buffer)] = i
	}
}

// propertyNames is our keyword of that name. The library's reports wrong locations.
type propertyNames struct{ schema *jsonschema.Schema }

// Validate is that of [jsonschema.SchemaExt].
func (n propertyNames) Validate(context *jsonschema.ValidatorContext, value any) {
	object, ok := value.(map[string]any)
	if !ok {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		var wrong *jsonschema.ValidationError
		if errors.As(n.schema.Validate(key), &wrong) {
			context.AddErrors([]*jsonschema.ValidationError{wrong},
				&kind.PropertyNames{Property: key})
		}
	}
}
