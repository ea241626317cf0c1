package settings_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/outset-settings/outset/internal/settings"
)

// schema compiles one that must be right.
func schema(t testing.TB, text string) *settings.Schema {
	t.Helper()
	s, err := limits.Schema([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSchemaRefused(t *testing.T) {
	t.Parallel()
	const outside = `is not "#" or "#/" with a JSON pointer into this schema`
	for name, c := range map[string]struct {
		text   string
		want   error
		detail string
	}{
		"empty":            {``, settings.ErrMalformed, "empty"},
		"no JSON":          {`{"type":}`, settings.ErrMalformed, ""},
		"a key twice":      {`{"type":"object","type":"object"}`, settings.ErrMalformed, "type"},
		"too large":        {`{"$comment":"` + strings.Repeat("x", limits.Bytes) + `"}`, settings.ErrTooLarge, "65536"},
		"too deep":         {strings.Repeat(`{"not":`, 129) + `{}` + strings.Repeat(`}`, 129), settings.ErrMalformed, "128 levels"},
		"a huge number":    {`{"maximum":1e999}`, settings.ErrSchema, "the number 1e999 is beyond"},
		"true":             {`true`, settings.ErrSchema, "not an object"},
		"a list":           {`[]`, settings.ErrSchema, "not an object"},
		"wrong word":       {`{"properties":{"a":{"type":"strin"}}}`, settings.ErrSchema, `"/properties/a/type" must be one of`},
		"wrong kind":       {`{"properties":{"a":5}}`, settings.ErrSchema, `"/properties/a" must be a boolean or an object, not a number`},
		"two faults":       {`{"minLength":-1,"maxLength":-1}`, settings.ErrSchema, `"/minLength" must be at least 0`},
		"negative":         {`{"properties":{"a":{"multipleOf":0}}}`, settings.ErrSchema, `"/properties/a/multipleOf" must be more than 0`},
		"older":            {`{"$schema":"http://json-schema.org/draft-07/schema#"}`, settings.ErrSchema, `"/$schema" is not`},
		"over http":        {`{"$schema":"http://json-schema.org/draft/2020-12/schema"}`, settings.ErrSchema, `"/$schema" is not`},
		"dialect no text":  {`{"$schema":1}`, settings.ErrSchema, `"/$schema" is not`},
		"older inside":     {`{"$defs":{"a":{"$id":"http://a/b","$schema":"http://json-schema.org/draft-07/schema"}},"$ref":"http://a/b"}`, settings.ErrSchema, `"/$defs/a/$id" is not supported here`},
		"older outside":    {`{"$ref":"http://json-schema.org/draft-07/schema"}`, settings.ErrSchema, `is not "#" or "#/" with a JSON pointer into this schema`},
		"over the network": {`{"properties":{"a":{"$ref":"https://example.com/a.json#/b"}}}`, settings.ErrSchema, `"/properties/a/$ref" is not "#" or "#/" with a JSON pointer into this schema: "https://example.com/a.json#/b"`},
		"a file":           {`{"$ref":"file:///etc/passwd"}`, settings.ErrSchema, `"/$ref" is not "#" or "#/" with a JSON pointer into this schema`},
		"a relative file":  {`{"$ref":"other.json"}`, settings.ErrSchema, `"/$ref" is not "#" or "#/" with a JSON pointer into this schema: "other.json"`},
		"up and down":      {`{"$ref":"../other.json"}`, settings.ErrSchema, `is not "#" or "#/" with a JSON pointer into this schema`},
		"dynamic":          {`{"$dynamicRef":"https://example.com/a#b"}`, settings.ErrSchema, `"/$dynamicRef" is not supported here`},
		"relative to id":   {`{"$id":"https://example.com/schemas/a","$ref":"b"}`, settings.ErrSchema, `"/$ref" is not "#" or "#/" with a JSON pointer into this schema: "b"`},
		"to nothing":       {`{"properties":{"a":{"$ref":"#/$defs/b c"}}}`, settings.ErrSchema, `"/properties/a/$ref" leads to no schema: "#/$defs/b c"`},
		"to no anchor":     {`{"properties":{"a":{"$ref":"#b"}}}`, settings.ErrSchema, `"/properties/a/$ref" is not "#" or "#/" with a JSON pointer into this schema: "#b"`},
		"to no schema":     {`{"x":{"y":5},"properties":{"a":{"$ref":"#/x/y"}}}`, settings.ErrSchema, `"/properties/a/$ref" leads to no schema: "#/x/y"`},
		"unused, outside":  {`{"$defs":{"a":{"properties":{"b":{"$ref":"http://x/"}}}}}`, settings.ErrSchema, `"/$defs/a/properties/b/$ref" is not "#" or "#/" with a JSON pointer into this schema`},
		"content":          {`{"properties":{"a":{"contentSchema":{"$ref":"http://x/"}}}}`, settings.ErrSchema, `"/properties/a/contentSchema/$ref" is not "#" or "#/" with a JSON pointer into this schema`},
		"no id":            {`{"properties":{"a":{"$id":":"}}}`, settings.ErrSchema, `"/properties/a/$id" is no`},
		"combinations":     {combinations(40), settings.ErrSchema, `too much work`},
		"anchor twice":     {`{"$defs":{"a":{"$anchor":"x"},"b":{"$anchor":"x"}}}`, settings.ErrSchema, `"/$defs/a/$anchor" is not supported here`},
		"dialect inside":   {`{"$defs":{"a":{"$schema":"` + settings.Dialect + `"}}}`, settings.ErrSchema, `"/$defs/a/$schema" is not supported here`},
		"the metaschema":   {`{"$ref":"` + settings.Dialect + `"}`, settings.ErrSchema, outside},
		"an odd pointer":   {`{"allOf":[{}],"not":{"$ref":"#/allOf/00"}}`, settings.ErrSchema, `"/not/$ref" leads to no schema: "#/allOf/00"`},
		"to names":         {`{"dependencies":{"a":["b"]},"not":{"$ref":"#/dependencies/a"}}`, settings.ErrSchema, `"/not/$ref" leads to no schema`},
		"no reference":     {`{"$ref":["#"]}`, settings.ErrSchema, `"/$ref" is not`},
		"a large count":    {`{"properties":{"a":{"maxLength":1e300}}}`, settings.ErrSchema, `"/properties/a/maxLength" is over 2147483647`},
		"another":          {`{"not":{"minItems":2147483648}}`, settings.ErrSchema, `"/not/minItems" is over 2147483647`},
		"odd required":     {`{"required":["a",["b"]]}`, settings.ErrSchema, `"/required/1" must be a string`},
		"odd dependent":    {`{"dependentRequired":{"x/y":[1]}}`, settings.ErrSchema, `"/dependentRequired/x~1y/0" must be a string`},
		"a long key":       {`{"properties":{"` + strings.Repeat("k", 257) + `":{}}}`, settings.ErrSchema, "a key is over 256 bytes"},
		"too many":         {`{"$defs":{` + numbered(`"%d":{}`, 3001) + `}}`, settings.ErrSchema, "more than 3000 schemas"},
		"too far in":       {`{"not":` + nest(`{"properties":{"`+strings.Repeat("k", 200)+`":`, `{"properties":{`+numbered(`"%d":{}`, 500)+`}}`, `}}`, 40) + `}`, settings.ErrSchema, "JSON pointers"},
		"bad pattern":      {`{"properties":{"a":{"pattern":"a("}}}`, settings.ErrSchema, `"/properties/a/pattern" is no regular expression of RE2: missing closing )`},
		"bad pattern name": {`{"properties":{"a":{"patternProperties":{"a(":{}}}}}`, settings.ErrSchema, `"/properties/a/patternProperties/a(" is no regular expression`},
		"look ahead":       {`{"pattern":"^(?=a)"}`, settings.ErrSchema, `"/pattern" is no regular expression of RE2`},
		"a huge pattern":   {`{"pattern":"(.{1000}){9}"}`, settings.ErrSchema, `"/pattern"`},
		"huge altogether":  {`{"patternProperties":{` + manyPatterns(30) + `}}`, settings.ErrSchema, `is no regular expression of RE2: it is too large`},
		"itself":           {`{"$ref":"#"}`, settings.ErrSchema, `leads back to itself`},
		"each other":       {`{"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"allOf":[{"$ref":"#/$defs/a"}]}},"properties":{"x":{"$ref":"#/$defs/a"}}}`, settings.ErrSchema, `leads back to itself`},
		"its contrary":     {`{"not":{"$ref":"#"}}`, settings.ErrSchema, `leads back to itself`},
		"doubling":         {doubling("allOf", 30), settings.ErrSchema, "would hold each value"},
		"many defaults":    {doublingDefaults(20), settings.ErrSchema, "defaults"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := limits.Schema([]byte(c.text))
			checkError(t, err, c.want)
			if s != nil || !strings.Contains(err.Error(), c.detail) ||
				strings.ContainsAny(err.Error(), "\r\n") ||
				strings.Contains(err.Error(), "outset:") || len(err.Error()) > 1000 {
				t.Errorf("the error is %q, want %q in it", err, c.detail)
			}
		})
	}
}

// combinations has a schema for each of the last n steps from the root, in all combinations.
func combinations(n int) string {
	var b strings.Builder
	b.WriteString(`{"$ref":"#/$defs/a00","$defs":{"a00":{"properties":{"a":{"allOf":[{"$ref":"#/$defs/a00"},{"$ref":"#/$defs/a01"}]},"b":{"$ref":"#/$defs/a00"}}}`)
	for i := 1; i < n; i++ {
		next := `{"$ref":"#/$defs/` + level(i+1) + `"}`
		b.WriteString(`,"` + level(i) + `":{"properties":{"a":` + next + `,"b":` + next + `}}`)
	}
	return b.String() + `,"` + level(n) + `":{"default":1}}}`
}

func manyPatterns(n int) string {
	var all []string
	for i := range n {
		all = append(all, `"`+level(i)+`x{900}":{}`)
	}
	return strings.Join(all, ",")
}

// doubling is a schema that says twice what it says at the next of n levels.
func doubling(word string, n int) string {
	var b strings.Builder
	b.WriteString(`{"$ref":"#/$defs/a00","$defs":{`)
	for i := range n {
		next := `{"$ref":"#/$defs/` + level(i+1) + `"}`
		b.WriteString(`"` + level(i) + `":{"` + word + `":[` + next + `,` + next + `]},`)
	}
	b.WriteString(`"` + level(n) + `":{"type":"object"}}}`)
	return b.String()
}

func level(i int) string { return "a" + string(rune('0'+i/10)) + string(rune('0'+i%10)) }

func doublingDefaults(n int) string {
	var b strings.Builder
	b.WriteString(`{"$ref":"#/$defs/a00","$defs":{`)
	for i := range n {
		next := `{"$ref":"#/$defs/` + level(i+1) + `"}`
		b.WriteString(`"` + level(i) + `":{"properties":{"l":` + next + `,"r":` + next + `}},`)
	}
	b.WriteString(`"` + level(n) + `":{"default":1}}}`)
	return b.String()
}

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
		"additional":        {`{"properties":{"a":{}},"additionalProperties":false}`, `{"c/d":1,"a":1,"b":2}`, "/c~1d: is not a property that may be here\n/b: is not a property that may be here"},
		"false":             {`{"properties":{"a":false}}`, `{"a":1}`, `/a: may not be here`},
		"unevaluated":       {`{"allOf":[{"properties":{"a":{}}}],"unevaluatedProperties":false}`, `{"a":1,"b":2}`, `/b: may not be here`},
		"only one fault":    {`{"allOf":[{"properties":{"a":{}},"required":["x"]}],"unevaluatedProperties":false}`, `{"a":1}`, `: is missing the property "x"`},
		"and an odd child":  {`{"allOf":[{"properties":{"a":{}}}],"properties":{"c":{"type":"string"}},"unevaluatedProperties":false}`, `{"a":1,"b":1,"c":1}`, "/b: may not be here\n/c: must be a string, not a number"},
		"names":             {`{"properties":{"y":{"propertyNames":{"maxLength":2}}}}`, `{"y":{"abc":1,"a":2,"bcd":3}}`, "/y/abc: has a name that may not be here: it must have at most 2 characters, not 3\n/y/bcd: has a name that may not be here: it must have at most 2 characters, not 3"},
		"const":             {`{"properties":{"a":{"const":1.0}}}`, `{"a":2}`, `/a: must be 1.0`},
		"const met":         {`{"properties":{"a":{"const":{"x":[1.0,"1"],"y":null}}}}`, `{"a":{"y":null,"x":[10e-1,"1"]}}`, ``},
		"const missed":      {`{"properties":{"a":{"const":{"x":[1.0,"1"]}}}}`, `{"a":{"x":["1",1]}}`, `/a: must be a certain object`},
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
		"by pattern":        {`{"patternProperties":{"^x":{"type":"string"}},"additionalProperties":false}`, `{"xa":1,"b":1}`, "/xa: must be a string, not a number\n/b: is not a property that may be here"},
		"contains":          {`{"properties":{"a":{"contains":{"type":"string"}}}}`, `{"a":[1,2]}`, `/a: has no item that fits the schema of "contains"`},
		"contains many":     {`{"properties":{"a":{"contains":{"type":"string"},"minContains":2,"maxContains":2}}}`, `{"a":["x"]}`, `/a: must have at least 2 items that fit the schema of "contains", not 1`},
		"not":               {`{"properties":{"a":{"not":{"type":"string"}}}}`, `{"a":"x"}`, `/a: fits the schema of "not"`},
		"goes with":         {`{"dependentRequired":{"a":["b"]}}`, `{"a":1}`, `: is missing the property "b", which goes with "a"`},
		"dependent schema":  {`{"dependentSchemas":{"a":{"required":["b"]}}}`, `{"a":1}`, `: is missing the property "b"`},
		"if":                {`{"if":{"properties":{"a":{"const":1}}},"then":{"required":["b"]},"else":{"required":["c"]}}`, `{"a":1}`, `: is missing the property "b"`},
		"in a list":         {`{"properties":{"a":{"prefixItems":[{"type":"string"}],"items":{"type":"number"}}}}`, `{"a":[1,"x"]}`, "/a/0: must be a string, not a number\n/a/1: must be a number, not a string"},
		"said twice":        {`{"allOf":[{"properties":{"a":{"type":"string"}}},{"properties":{"a":{"type":"string"}}}]}`, `{"a":1}`, `/a: must be a string, not a number`},
		"a tree":            {`{"properties":{"v":{"type":"number"},"l":{"$ref":"#"},"r":{"$ref":"#"}},"additionalProperties":false}`, `{"l":{"r":{"v":"x"}}}`, `/l/r/v: must be a number, not a string`},
		"any of types":      {`{"properties":{"a":{"anyOf":[{"type":"string"},{"type":"number"}]}}}`, `{"a":null}`, `/a: fits none of the 2 schemas of "anyOf"`},
		"any, one meant":    {`{"properties":{"a":{"anyOf":[{"type":"string"},{"type":"object","required":["x"]}]}}}`, `{"a":{}}`, `/a: is missing the property "x"`},
		"one, by its kind":  {`{"oneOf":[{"properties":{"k":{"const":"a"},"v":{"type":"string"}}},{"properties":{"k":{"const":"b"},"v":{"type":"number"}}}]}`, `{"k":"b","v":"x"}`, `: fits none of the 2 schemas of "oneOf"`},
		"any, none meant":   {`{"anyOf":[{"required":["a","b"]},{"required":["c","d"]}]}`, `{}`, `: fits none of the 2 schemas of "anyOf"`},
		"one, both":         {`{"oneOf":[{},{}]}`, `{}`, `: fits more than one schema of "oneOf": those at 0 and 1`},
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
			s := schema(t, c.schema)
			for range 5 { // the validator's maps are in another order each time
				if got := verdict(t, s, c.document); got != c.want {
					t.Fatalf("got\n%s\nwant\n%s", got, c.want)
				}
			}
		})
	}
}

// verdict says what Check finds, a line each.
func verdict(t *testing.T, s *settings.Schema, document string) string {
	t.Helper()
	err := s.Check([]byte(document))
	if err == nil {
		return ""
	}
	checkNamed(t, err)
	var e *settings.ViolationError
	if !errors.As(err, &e) || len(e.Violations) == 0 || len(e.Violations) > settings.MaxViolations {
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
