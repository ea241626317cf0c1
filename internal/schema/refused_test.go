package schema_test

import (
	"strings"
	"testing"

	"github.com/outset-settings/outset/internal/schema"
	"github.com/outset-settings/outset/internal/settings"
)

func TestCompileRefuses(t *testing.T) {
	t.Parallel()
	const outside = "leads to another document, and nothing is fetched"
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
		"wrong type":       {`{"properties":{"a":{"type":"strin"}}}`, settings.ErrSchema, `"/properties/a/type" must be one of`},
		"wrong kind":       {`{"properties":{"a":5}}`, settings.ErrSchema, `"/properties/a" must be a boolean or an object, not a number`},
		"two faults":       {`{"minLength":-1,"maxLength":-1}`, settings.ErrSchema, `"/minLength" must be at least 0`},
		"negative":         {`{"properties":{"a":{"multipleOf":0}}}`, settings.ErrSchema, `"/properties/a/multipleOf" must be more than 0`},
		"an odd pointer":   {`{"allOf":[{}],"not":{"$ref":"#/allOf/00"}}`, settings.ErrSchema, `"/not/$ref" leads to no schema: "#/allOf/00"`},
		"to names":         {`{"dependencies":{"a":["b"]},"not":{"$ref":"#/dependencies/a"}}`, settings.ErrSchema, `"/not/$ref" leads to no schema`},
		"odd required":     {`{"required":["a",["b"]]}`, settings.ErrSchema, `"/required/1" must be a string`},
		"odd dependent":    {`{"dependentRequired":{"x/y":[1]}}`, settings.ErrSchema, `"/dependentRequired/x~1y/0" must be a string`},
		"a long key":       {`{"properties":{"` + strings.Repeat("k", 257) + `":{}}}`, settings.ErrSchema, "a key is over 256 bytes"},
		"itself":           {`{"$ref":"#"}`, settings.ErrSchema, `leads back to itself`},
		"each other":       {`{"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"allOf":[{"$ref":"#/$defs/a"}]}},"properties":{"x":{"$ref":"#/$defs/a"}}}`, settings.ErrSchema, `leads back to itself`},
		"its contrary":     {`{"not":{"$ref":"#"}}`, settings.ErrSchema, `leads back to itself`},
		"draft 4":          {`{"$schema":"http://json-schema.org/draft-04/schema#"}`, settings.ErrSchema, `"/$schema" must be "https://json-schema.org/draft/2020-12/schema" or "http://json-schema.org/draft-07/schema"`},
		"over http":        {`{"$schema":"http://json-schema.org/draft/2020-12/schema"}`, settings.ErrSchema, `"/$schema" must be`},
		"dialect no text":  {`{"$schema":1}`, settings.ErrSchema, `"/$schema" must be`},
		"draft 4 inside":   {`{"$defs":{"a":{"$id":"http://a/b","$schema":"http://json-schema.org/draft-04/schema"}},"$ref":"http://a/b"}`, settings.ErrSchema, `"/$defs/a/$schema" must be`},
		"draft 2019-09":    {`{"$recursiveRef":"#"}`, settings.ErrSchema, `"/$recursiveRef" is a keyword of draft 2019-09`},
		"other metaschema": {`{"$ref":"http://json-schema.org/draft-04/schema"}`, settings.ErrSchema, outside},
		"no metaschema":    {`{"$ref":"https://json-schema.org/draft/2020-12/nothing"}`, settings.ErrSchema, `"/$ref" ` + outside},
		"over the network": {`{"properties":{"a":{"$ref":"https://example.com/a.json#/b"}}}`, settings.ErrSchema, `"/properties/a/$ref" ` + outside + `: "https://example.com/a.json#/b"`},
		"a file":           {`{"$ref":"file:///etc/passwd"}`, settings.ErrSchema, `"/$ref" ` + outside},
		"a relative file":  {`{"$ref":"other.json"}`, settings.ErrSchema, `"/$ref" ` + outside + `: "other.json"`},
		"up and down":      {`{"$ref":"../other.json"}`, settings.ErrSchema, outside},
		"dynamic":          {`{"$dynamicRef":"https://example.com/a#b"}`, settings.ErrSchema, `"/$dynamicRef" ` + outside},
		"relative to id":   {`{"$id":"https://example.com/schemas/a","$ref":"b"}`, settings.ErrSchema, `"/$ref" ` + outside + `: "b"`},
		"unused, outside":  {`{"$defs":{"a":{"properties":{"b":{"$ref":"http://x/"}}}}}`, settings.ErrSchema, `"/$defs/a/properties/b/$ref" ` + outside},
		"content":          {`{"properties":{"a":{"contentSchema":{"$ref":"http://x/"}}}}`, settings.ErrSchema, `"/properties/a/contentSchema/$ref" ` + outside},
		"to nothing":       {`{"properties":{"a":{"$ref":"#/$defs/b c"}}}`, settings.ErrSchema, `"/properties/a/$ref" leads to no schema: "#/$defs/b c"`},
		"to no anchor":     {`{"properties":{"a":{"$ref":"#b"}}}`, settings.ErrSchema, `"/properties/a/$ref" leads to no schema: "#b"`},
		"to no schema":     {`{"x":{"y":5},"properties":{"a":{"$ref":"#/x/y"}}}`, settings.ErrSchema, `"/properties/a/$ref" leads to no schema: "#/x/y"`},
		"not of the id":    {`{"$defs":{"a":{"$id":"http://a/b"}},"$ref":"http://a/b#/$defs/a"}`, settings.ErrSchema, `"/$ref" leads to no schema`},
		"no URI":           {`{"$ref":":"}`, settings.ErrSchema, `"/$ref" is not a URI reference`},
		"no reference":     {`{"$ref":["#"]}`, settings.ErrSchema, `"/$ref" must be a string`},
		"no id":            {`{"properties":{"a":{"$id":":"}}}`, settings.ErrSchema, `"/properties/a/$id" is not a URI reference`},
		"id with fragment": {`{"properties":{"a":{"$id":"http://a/b#c"}}}`, settings.ErrSchema, `"/properties/a/$id"`},
		"anchor twice":     {`{"$defs":{"a":{"$anchor":"x"},"b":{"$anchor":"x"}}}`, settings.ErrSchema, `"x"`},
		"odd anchor":       {`{"$anchor":"a b"}`, settings.ErrSchema, `"/$anchor" must match the pattern`},
		"id twice":         {`{"$defs":{"a":{"$id":"http://x"},"b":{"$id":"http://x"}}}`, settings.ErrSchema, `http://x`},
		"a large count":    {`{"properties":{"a":{"maxLength":1e300}}}`, settings.ErrSchema, `"/properties/a/maxLength" is more than 2147483647`},
		"another":          {`{"not":{"minItems":2147483648}}`, settings.ErrSchema, `"/not/minItems" is more than 2147483647`},
		"too many":         {`{"$defs":{` + numbered(`"%d":{}`, 3001) + `}}`, settings.ErrSchema, `"/$defs/2999" is one too many: at most 3000 schemas`},
		"too far in":       {`{"not":` + nest(`{"properties":{"`+strings.Repeat("k", 200)+`":`, `{"properties":{`+numbered(`"%d":{}`, 500)+`}}`, `}}`, 40) + `}`, settings.ErrSchema, "JSON pointers"},
		"bad pattern":      {`{"properties":{"a":{"pattern":"a("}}}`, settings.ErrSchema, `"/properties/a/pattern" is not a regular expression: missing closing )`},
		"bad pattern name": {`{"properties":{"a":{"patternProperties":{"a(":{}}}}}`, settings.ErrSchema, `"/properties/a/patternProperties/a(" is not a regular expression`},
		"a long pattern":   {`{"pattern":"` + strings.Repeat("x", 4001) + `"}`, settings.ErrSchema, `"/pattern" is not a regular expression: it has more than 4000 bytes`},
		"nested groups":    {`{"pattern":"` + nest("(", "a", "){9}", 300) + `"}`, settings.ErrSchema, `"/pattern" is not a regular expression: its groups are nested deeper than 10`},
		"many patterns":    {`{"allOf":[` + repeated("", `{"pattern":"a"}`, "", 1501) + `]}`, settings.ErrSchema, `"/allOf/1499/pattern" is one too many`},
		"long patterns":    {`{"allOf":[` + repeated("", `{"pattern":"`+strings.Repeat("(a|b)*", 600)+`"}`, "", 15) + `]}`, settings.ErrSchema, `"/allOf/8/pattern" is one too many`},
		"doubling":         {doubling("allOf", 30), settings.ErrSchema, `"/$defs/a18" would check each value against more than 10000 schemas`},
		"doubling names":   {`{"propertyNames":{"$ref":"#/$defs/a29"},"$defs":{` + doublings("allOf", 30, `{}`) + `}}`, settings.ErrSchema, `would check each value against more than 10000 schemas`},
		"names, in a loop": {`{"propertyNames":{"$ref":"#/$defs/a"},"$defs":{"a":{"allOf":[{"$ref":"#/$defs/a"}]}}}`, settings.ErrSchema, `leads back to itself`},
		"a long chain":     {chainOf(64, `{"type":"object"}`), settings.ErrSchema, `"/$defs/0" starts a chain of more than 64 schemas`},
		"dynamic circle":   {`{"$dynamicAnchor":"x","allOf":[{"$dynamicRef":"#x"}]}`, settings.ErrSchema, `leads back to itself`},
		"circle by anchor": {`{"$defs":{"a":{"$id":"http://a","$dynamicAnchor":"x","not":{"$ref":"http://b"}},"b":{"$id":"http://b","$dynamicAnchor":"x","anyOf":[{"$dynamicRef":"http://a#x"}]}},"$ref":"http://b"}`, settings.ErrSchema, `leads back to itself`},
		"many defaults":    {doublingDefaults(20), settings.ErrSchema, "defaults"},
		"combinations":     {combinations(40), settings.ErrSchema, `too much work`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := schema.Compile([]byte(c.text), limits)
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
