package settings

import (
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// readWords weighs what is no schema inside this one, and replaces what is slow.
func (r *ruling) readWords(one *rule) {
	s := one.schema
	one.pattern, _ = s.Pattern.(*expression)
	one.measured = s.MinLength != nil || s.MaxLength != nil
	one.whole = s.Enum != nil || s.Const != nil || s.UniqueItems
	one.weight += len(s.Required) / namesOfOne
	for _, required := range s.DependentRequired {
		one.weight += 1 + len(required)/namesOfOne
	}
	for _, bound := range []bool{
		s.Types != nil && slices.Contains(s.Types.ToStrings(), "integer"), s.Minimum != nil,
		s.Maximum != nil, s.ExclusiveMinimum != nil, s.ExclusiveMaximum != nil, s.MultipleOf != nil,
	} {
		if bound {
			one.weight++
		}
	}
	one.replace()
}

// namesOfOne is how many names are as much work as one evaluation, and take as much memory if they
// are missing.
const namesOfOne = 8

func (one *rule) replace() {
	s := one.schema
	if s.Const != nil {
		want := *s.Const
		s.Const = nil
		s.Extensions = append(s.Extensions, newAllowed([]any{want},
			func(got any) jsonschema.ErrorKind {
				return &kind.Const{Got: got, Want: want}
			}))
	}
	if s.Enum != nil {
		want := s.Enum.Values
		s.Enum = nil
		s.Extensions = append(s.Extensions, newAllowed(want, func(got any) jsonschema.ErrorKind {
			return &kind.Enum{Got: got, Want: want}
		}))
	}
	if s.UniqueItems {
		s.UniqueItems = false
		s.Extensions = append(s.Extensions, unique{})
	}
	if s.PropertyNames != nil {
		s.Extensions = append(s.Extensions, propertyNames{s.PropertyNames})
		s.PropertyNames = nil
	}
}
