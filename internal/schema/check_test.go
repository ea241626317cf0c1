package schema_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/outset-settings/outset/internal/schema"
)

func TestSchemaCheck(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		schema, document string
		want             string // "pointer: reason", a line each
	}{
		"nothing said":      {`{}`, `{"a":1}`, ``},
		"named dialect":     {`{"$schema":"https://json-schema.org/draft/2020-12/schema#","type":"object"}`, `{}`, ``},
		"type":              {`{"properties":{"a":{"type":"string"}}}`, `{"a":1}`, `/a: must be a string, not a number`},
		"types":             {`{"properties":{"a":{"type":["string","null"]}}}`, `{"a":[]}`, `/a: must be null or a string, not an array`},
		"integer":           {`{"properties":{"a":{"type":"integer"}}}`, `{"a":1.0}`, ``},
		"no integer":        {`{"properties":{"a":{"type":"integer"}}}`, `{"a":1.5}`, `/a: must be an integer, not a number`},
		"in order":          {`{"additionalProperties":{"type":"string"}}`, `{"z":1,"b":{},"a":null}`, "/z: must be a string, not a number\n/b: must be a string, not an object\n/a: must be a string, not null"},
		"required":          {`{"properties":{"x":{"required":["a","b"]}}}`, `{"x":{}}`, "/x: is missing the property \"a\"\n/x: is missing the property \"b\""},
		"additional":        {`{"properties":{"a":{}},"additionalProperties":false}`, `{"c/d":1,"a":1,"b":2}`, "/c~1d: is not an allowed property\n/b: is not an allowed property"},
		"false":             {`{"properties":{"a":false}}`, `{"a":1}`, `/a: is not allowed here`},
		"unevaluated":       {`{"allOf":[{"properties":{"a":{}}}],"unevaluatedProperties":false}`, `{"a":1,"b":2}`, `/b: is not allowed here`},
		"only one fault":    {`{"allOf":[{"properties":{"a":{}},"required":["x"]}],"unevaluatedProperties":false}`, `{"a":1}`, `: is missing the property "x"`},
		"and an odd child":  {`{"allOf":[{"properties":{"a":{}}}],"properties":{"c":{"type":"string"}},"unevaluatedProperties":false}`, `{"a":1,"b":1,"c":1}`, "/b: is not allowed here\n/c: must be a string, not a number"},
		"names":             {`{"properties":{"y":{"propertyNames":{"maxLength":2}}}}`, `{"y":{"abc":1,"a":2,"bcd":3}}`, "/y/abc: has a name that is not allowed: it must have at most 2 characters, not 3\n/y/bcd: has a name that is not allowed: it must have at most 2 characters, not 3"},
		"const":             {`{"properties":{"a":{"const":1.0}}}`, `{"a":2}`, `/a: must be 1.0`},
		"const met":         {`{"properties":{"a":{"const":{"x":[1.0,"1"],"y":null}}}}`, `{"a":{"y":null,"x":[10e-1,"1"]}}`, ``},
		"const missed":      {`{"properties":{"a":{"const":{"x":[1.0,"1"]}}}}`, `{"a":{"x":["1",1]}}`, `/a: must be a given object`},
		"enum":              {`{"properties":{"a":{"enum":["x",1,null,true]}}}`, `{"a":"y"}`, `/a: must be one of "x", 1, null, true`},
		"enum met":          {`{"properties":{"a":{"enum":["x",1,null,true]}}}`, `{"a":1.0}`, ``},
		"false is not 0":    {`{"properties":{"a":{"enum":[0]}}}`, `{"a":false}`, `/a: must be one of 0`},
		"unique":            {`{"properties":{"a":{"uniqueItems":true}}}`, `{"a":[1,"1",true,[1],{"a":1},1.0]}`, `/a: has the same item twice: at 0 and 5`},
		"all unique":        {`{"properties":{"a":{"uniqueItems":true}}}`, `{"a":[1,"1",true,[1],[1,1],[[1]],{"a":1},{"1":"a"},0,false,null,"null",""]}`, ``},
		"lengths":           {`{"additionalProperties":{"minLength":2,"maxLength":3}}`, `{"a":"é","b":"éé","c":"abcd"}`, "/a: must have at least 2 characters, not 1\n/c: must have at most 3 characters, not 4"},
		"items":             {`{"additionalProperties":{"minItems":1,"maxItems":2}}`, `{"a":[],"b":[1,2,3]}`, "/a: must have at least 1 item, not 0\n/b: must have at most 2 items, not 3"},
		"properties":        {`{"minProperties":1,"maxProperties":2}`, `{"a":1,"b":1,"c":1}`, `: must have at most 2 properties, not 3`},
		"bounds":            {`{"additionalProperties":{"minimum":1,"exclusiveMaximum":2.50}}`, `{"a":0,"b":2.5,"c":1}`, "/a: must be at least 1\n/b: must be less than 2.5"},
		"other bounds":      {`{"additionalProperties":{"exclusiveMinimum":1,"maximum":2}}`, `{"a":1,"b":3}`, "/a: must be more than 1\n/b: must be at most 2"},
		"multiple, exact":   {`{"additionalProperties":{"multipleOf":0.01}}`, `{"a":19.99,"b":0.015}`, `/b: must be a multiple of 0.01`},
		"pattern":           {`{"properties":{"a":{"pattern":"^[a-z]+$"}}}`, `{"a":"A"}`, `/a: must match the pattern "^[a-z]+$"`},
		"by pattern":        {`{"patternProperties":{"^x":{"type":"string"}},"additionalProperties":false}`, `{"xa":1,"b":1}`, "/xa: must be a string, not a number\n/b: is not an allowed property"},
		"contains":          {`{"properties":{"a":{"contains":{"type":"string"}}}}`, `{"a":[1,2]}`, `/a: has no item that matches the schema of "contains"`},
		"contains many":     {`{"properties":{"a":{"contains":{"type":"string"},"minContains":2,"maxContains":2}}}`, `{"a":["x"]}`, `/a: must have at least 2 items that match the schema of "contains", not 1`},
		"not":               {`{"properties":{"a":{"not":{"type":"string"}}}}`, `{"a":"x"}`, `/a: must not match the schema of "not"`},
		"goes with":         {`{"dependentRequired":{"a":["b"]}}`, `{"a":1}`, `: is missing the property "b", which "a" requires`},
		"dependent schema":  {`{"dependentSchemas":{"a":{"required":["b"]}}}`, `{"a":1}`, `: is missing the property "b"`},
		"if":                {`{"if":{"properties":{"a":{"const":1}}},"then":{"required":["b"]},"else":{"required":["c"]}}`, `{"a":1}`, `: is missing the property "b"`},
		"in a list":         {`{"properties":{"a":{"prefixItems":[{"type":"string"}],"items":{"type":"number"}}}}`, `{"a":[1,"x"]}`, "/a/0: must be a string, not a number\n/a/1: must be a number, not a string"},
		"said twice":        {`{"allOf":[{"properties":{"a":{"type":"string"}}},{"properties":{"a":{"type":"string"}}}]}`, `{"a":1}`, `/a: must be a string, not a number`},
		"a tree":            {`{"properties":{"v":{"type":"number"},"l":{"$ref":"#"},"r":{"$ref":"#"}},"additionalProperties":false}`, `{"l":{"r":{"v":"x"}}}`, `/l/r/v: must be a number, not a string`},
		"any of types":      {`{"properties":{"a":{"anyOf":[{"type":"string"},{"type":"number"}]}}}`, `{"a":null}`, `/a: matches none of the 2 schemas of "anyOf"`},
		"any, one meant":    {`{"properties":{"a":{"anyOf":[{"type":"string"},{"type":"object","required":["x"]}]}}}`, `{"a":{}}`, `/a: is missing the property "x"`},
		"one, by its kind":  {`{"oneOf":[{"properties":{"k":{"const":"a"},"v":{"type":"string"}}},{"properties":{"k":{"const":"b"},"v":{"type":"number"}}}]}`, `{"k":"b","v":"x"}`, `: matches none of the 2 schemas of "oneOf"`},
		"any, none meant":   {`{"anyOf":[{"required":["a","b"]},{"required":["c","d"]}]}`, `{}`, `: matches none of the 2 schemas of "anyOf"`},
		"one, both":         {`{"oneOf":[{},{}]}`, `{}`, `: matches more than one schema of "oneOf": those at 0 and 1`},
		"format":            {`{"properties":{"a":{"format":"email"}}}`, `{"a":"x"}`, ``},
		"content":           {`{"properties":{"a":{"contentMediaType":"application/json","contentSchema":false}}}`, `{"a":"x"}`, ``},
		"odd references":    {`{"properties":{"a~/ %é":{"type":"string"},"b":{"$ref":"#/properties/a~0~1%20%25%C3%A9"}}}`, `{"b":1}`, `/b: must be a string, not a number`},
		"the tiniest":       {`{"additionalProperties":{"exclusiveMinimum":0}}`, `{"a":1e-999999,"b":0e99999999999999999999,"c":-1e-400,"d":5e-324}`, "/a: must be more than 0\n/b: must be more than 0\n/c: must be more than 0"},
		"tiny in schema":    {`{"additionalProperties":{"minimum":1e-999999,"enum":[1E-1000000,1]}}`, `{"a":0,"b":2e-999999,"c":-1}`, "/c: must be at least 0\n/c: must be one of 0, 1"},
		"an id":             {`{"$id":"http://a/b","$defs":{"a":{"type":"string"}},"properties":{"a":{"$ref":"#/$defs/a"}}}`, `{"a":1}`, `/a: must be a string, not a number`},
		"the largest count": {`{"properties":{"a":{"maxLength":2147483647,"minLength":2e0}}}`, `{"a":"x"}`, `/a: must have at least 2 characters, not 1`},
		"any, one of type":  {`{"properties":{"a":{"anyOf":[{"enum":["x","y"]},{"type":"array"}]}}}`, `{"a":"z"}`, `/a: must be one of "x", "y"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := compiled(t, c.schema)
			for range 5 { // the validator's maps are in another order each time
				if got := found(t, s, c.document); got != c.want {
					t.Fatalf("got\n%s\nwant\n%s", got, c.want)
				}
			}
		})
	}
}

// found says what Check finds, a line each.
func found(t *testing.T, s *schema.Schema, document string) string {
	t.Helper()
	err := s.Check([]byte(document))
	if err == nil {
		return ""
	}
	checkNamed(t, err)
	var e *schema.ViolationError
	if !errors.As(err, &e) || len(e.Violations) == 0 || len(e.Violations) > schema.MaxViolations {
		t.Fatalf("the error is %#v", err)
	}
	var lines []string
	for _, v := range e.Violations {
		lines = append(lines, v.Pointer+": "+v.Reason)
	}
	if e.More {
		lines = append(lines, "and more")
	}
	return strings.Join(lines, "\n")
}
