package schema_test

import "testing"

const draft7 = `"$schema":"http://json-schema.org/draft-07/schema#"`

// TestDialects: schemas refer to each other in all the ways of 2020-12 and of draft 7 that need no
// other document, and keywords mean what they mean in the dialect.
func TestDialects(t *testing.T) {
	t.Parallel()
	// A tree whose nodes a schema that extends it can restrict.
	const tree = `"tree":{"$id":"https://example.org/tree","$dynamicAnchor":"node",` +
		`"properties":{"children":{"items":{"$dynamicRef":"#node"}},"size":{"type":"integer"}}}`
	// A list whose elements the schema that refers to it decides.
	const list = `"list":{"$id":"list","items":{"$dynamicRef":"#element"},"$defs":{"any":{"$dynamicAnchor":"element"}}}`
	for name, c := range map[string]struct{ schema, document, want string }{
		"by anchor":                 {`{"$defs":{"a":{"$anchor":"text","type":"string"}},"properties":{"a":{"$ref":"#text"}}}`, `{"a":1}`, `/a: must be a string, not a number`},
		"by id":                     {`{"$id":"https://example.org/root","$defs":{"a":{"$id":"/text","type":"string"}},"properties":{"a":{"$ref":"text"}}}`, `{"a":1}`, `/a: must be a string, not a number`},
		"by whole id":               {`{"$defs":{"a":{"$id":"https://example.org/a","$defs":{"b":{"type":"string"}}}},"properties":{"a":{"$ref":"https://example.org/a#/$defs/b"}}}`, `{"a":1}`, `/a: must be a string, not a number`},
		"by URN":                    {`{"$id":"urn:example:root","$defs":{"a":{"$anchor":"text","type":"string"}},"properties":{"a":{"$ref":"urn:example:root#text"},"b":{"$ref":"#text"}}}`, `{"a":1,"b":1}`, "/a: must be a string, not a number\n/b: must be a string, not a number"},
		"by pointer in a resource":  {`{"$defs":{"a":{"$id":"a","$ref":"#/$defs/b","$defs":{"b":{"type":"string"}}},"b":{"type":"number"}},"properties":{"a":{"$ref":"a"}}}`, `{"a":1}`, `/a: must be a string, not a number`},
		"the same anchor elsewhere": {`{"$anchor":"x","$defs":{"a":{"$id":"a","$anchor":"x","type":"string"}},"properties":{"a":{"$ref":"a#x"}}}`, `{"a":1}`, `/a: must be a string, not a number`},
		"dynamic, alone":            {`{"$dynamicAnchor":"n","properties":{"child":{"$dynamicRef":"#n"},"v":{"type":"string"}}}`, `{"child":{"v":1}}`, `/child/v: must be a string, not a number`},
		"dynamic, extended":         {`{"$id":"https://example.org/strict","$dynamicAnchor":"node","$ref":"tree","unevaluatedProperties":false,"$defs":{` + tree + `}}`, `{"children":[{"sizes":1}]}`, `/children/0/sizes: is not allowed here`},
		"dynamic, not extended":     {`{"$id":"https://example.org/root","$ref":"tree","$defs":{` + tree + `}}`, `{"children":[{"sizes":1},{"size":"x"}]}`, `/children/1/size: must be an integer, not a string`},
		"dynamic, from outside":     {`{"$id":"https://example.org/root","properties":{"a":{"$ref":"list"}},"$defs":{"text":{"$dynamicAnchor":"element","type":"string"},` + list + `}}`, `{"a":["x",1]}`, `/a/1: must be a string, not a number`},
		"dynamic, no such outside":  {`{"$id":"https://example.org/root","properties":{"a":{"$ref":"list"}},"$defs":{"text":{"$anchor":"element","type":"string"},` + list + `}}`, `{"a":["x",1]}`, ``},
		"dynamic, to an anchor":     {`{"$defs":{"a":{"$anchor":"x","type":"string"}},"properties":{"a":{"$dynamicRef":"#x"}}}`, `{"a":1}`, `/a: must be a string, not a number`},
		"dynamic, unused elsewhere": {`{"properties":{"a":{"$ref":"list"}},"$defs":{"numbers":{"$id":"numbers","$defs":{"n":{"$dynamicAnchor":"element","type":"number"}},"$ref":"list"},` + list + `}}`, `{"a":["x",1]}`, ``},
		"dynamic, enum in it":       {`{"$id":"https://example.org/root","properties":{"a":{"$ref":"list"}},"$defs":{"size":{"$dynamicAnchor":"element","enum":["s","m"]},` + list + `}}`, `{"a":["m","l"]}`, `/a/1: must be one of "s", "m"`},
		"the metaschema":            {`{"properties":{"a":{"$ref":"https://json-schema.org/draft/2020-12/schema"}}}`, `{"a":{"not":{"type":"strin"}},"b":1}`, `/a/not/type: must be one of "array", "boolean", "integer", "null", "number", "object", "string"`},
		"part of the metaschema":    {`{"properties":{"a":{"$ref":"https://json-schema.org/draft/2020-12/meta/validation#/$defs/nonNegativeInteger"}}}`, `{"a":-1}`, `/a: must be at least 0`},
		"a reference and more":      {`{"$defs":{"a":{"type":"string"}},"properties":{"a":{"$ref":"#/$defs/a","maxLength":1}}}`, `{"a":"xx"}`, `/a: must have at most 1 character, not 2`},
		"draft 7 inside":            {`{"$defs":{"a":{"$id":"a",` + draft7 + `,"items":[{"type":"string"}]}},"properties":{"a":{"$ref":"a"}}}`, `{"a":[1]}`, `/a/0: must be a string, not a number`},
		"7: definitions":            {`{` + draft7 + `,"definitions":{"a":{"type":"string"}},"properties":{"a":{"$ref":"#/definitions/a"}}}`, `{"a":1}`, `/a: must be a string, not a number`},
		"7: only the reference":     {`{` + draft7 + `,"definitions":{"a":{"type":"string"}},"properties":{"a":{"$ref":"#/definitions/a","maxLength":1}}}`, `{"a":"xx"}`, ``},
		"7: id as an anchor":        {`{` + draft7 + `,"definitions":{"a":{"$id":"#text","type":"string"}},"properties":{"a":{"$ref":"#text"}}}`, `{"a":1}`, `/a: must be a string, not a number`},
		"7: no id beside one":       {`{` + draft7 + `,"definitions":{"a":{"$id":"x","$ref":"#/definitions/b"},"b":{"type":"string"}},"properties":{"a":{"$ref":"#/definitions/a"}}}`, `{"a":1}`, `/a: must be a string, not a number`},
		"7: items in a list":        {`{` + draft7 + `,"properties":{"a":{"items":[{"type":"string"}],"additionalItems":false}}}`, `{"a":["x",1]}`, `/a: has 1 item more than is allowed`},
		"7: more items":             {`{` + draft7 + `,"properties":{"a":{"items":[true],"additionalItems":{"type":"string"}}}}`, `{"a":[1,1]}`, `/a/1: must be a string, not a number`},
		"7: dependencies":           {`{` + draft7 + `,"dependencies":{"a":["b"],"c":{"required":["d"]}}}`, `{"a":1,"c":1}`, ": is missing the property \"b\", which \"a\" requires\n: is missing the property \"d\""},
		"7: a format":               {`{` + draft7 + `,"properties":{"a":{"format":"email"}}}`, `{"a":"x"}`, `/a: is not a valid "email": missing @`},
		"7: if":                     {`{` + draft7 + `,"if":{"required":["a"]},"then":{"required":["b"]}}`, `{"a":1}`, `: is missing the property "b"`},
		"7: what came later":        {`{` + draft7 + `,"unevaluatedProperties":false,"dependentRequired":{"a":["b"]},"prefixItems":[false],"$anchor":"x"}`, `{"a":1}`, ``},
		"no 7: dependencies":        {`{"dependencies":{"a":["b"]}}`, `{"a":1}`, ": is missing the property \"b\", which \"a\" requires"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := found(t, compiled(t, c.schema), c.document); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// TestDefaultsByReference: defaults come through all references that lead to one schema.
func TestDefaultsByReference(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ schema, want string }{
		"anchor":              {`{"$defs":{"a":{"$anchor":"x","default":1}},"properties":{"a":{"$ref":"#x"}}}`, `{"a":1}`},
		"id":                  {`{"$defs":{"a":{"$id":"https://example.org/a","properties":{"b":{"default":1}}}},"properties":{"a":{"$ref":"https://example.org/a"}}}`, `{"a":{"b":1}}`},
		"draft 7":             {`{` + draft7 + `,"definitions":{"a":{"default":1}},"properties":{"a":{"$ref":"#/definitions/a","default":2}}}`, `{"a":1}`},
		"draft 7, the whole":  {`{` + draft7 + `,"$ref":"#/definitions/a","default":{"x":1},"definitions":{"a":{"properties":{"b":{"default":1}}}}}`, `{"b":1}`},
		"metaschema":          {`{"$ref":"https://json-schema.org/draft/2020-12/schema"}`, `{}`},
		"not through dynamic": {`{"$defs":{"a":{"$dynamicAnchor":"x","default":1}},"properties":{"a":{"$dynamicRef":"#x"}}}`, `{}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := compiled(t, c.schema).Effective([]byte(`{}`), limits.Bytes)
			if err != nil || string(got) != c.want {
				t.Errorf("got %s, %v, want %s", got, err, c.want)
			}
		})
	}
}
