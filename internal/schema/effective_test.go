package schema_test

import (
	"testing"

	"github.com/outset-settings/outset/internal/schema"
	"github.com/outset-settings/outset/internal/settings"
)

func TestEffective(t *testing.T) {
	t.Parallel()
	const (
		flat   = `{"properties":{"a":{"default": 1.0},"b":{"default":{ "x" : [ ] }},"c":{}}}`
		nested = `{"properties":{"e":{"properties":{"size":{"default":12},"font":{"default":"mono"}}},"z":{"default":0}}}`
		tree   = `{"properties":{"size":{"default":1},"child":{"$ref":"#"}}}`
	)
	for name, c := range map[string]struct{ schema, document, want string }{
		"nothing said": {`{"properties":{"a":{"type":"string"}}}`, ` { "a" : 1 } `, ` { "a" : 1 } `},
		"all":          {flat, `{}`, `{"a":1.0,"b":{ "x" : [ ] }}`},
		"some":         {flat, `{"c":1, "a":2}`, `{"c":1, "a":2, "b":{ "x" : [ ] }}`},
		"none": {
			flat, "{\"b\":1,\"\\u0061\":2}\n",
			"{\"b\":1,\"\\u0061\":2}\n",
		},
		"null stays":        {flat, `{"a":null,"b":null}`, `{"a":null,"b":null}`},
		"null is a default": {`{"properties":{"a":{"default":null}}}`, `{}`, `{"a":null}`},
		"pretty": {
			flat, "{\n  \"c\": 1\n}\n",
			"{\n  \"c\": 1,\n  \"a\": 1.0,\n  \"b\": { \"x\" : [ ] }\n}\n",
		},
		"much white space":          {flat, `{"c":1` + spaces(1000) + `,"d":1}`, `{"c":1` + spaces(1000) + `,"d":1,"a":1.0,"b":{ "x" : [ ] }}`},
		"nested, absent":            {nested, `{}`, `{"e":{"size":12,"font":"mono"},"z":0}`},
		"nested, in part":           {nested, `{"e":{"font":"serif"}}`, `{"e":{"font":"serif","size":12},"z":0}`},
		"nested, another kind":      {nested, `{"e":[]}`, `{"e":[],"z":0}`},
		"default over defaults":     {`{"properties":{"e":{"default":{"font":"x"},"properties":{"size":{"default":12},"font":{"default":"mono"}}}}}`, `{}`, `{"e":{"font":"x","size":12}}`},
		"a default that is no such": {`{"properties":{"e":{"default":5,"properties":{"size":{"default":12}}}}}`, `{}`, `{"e":5}`},
		"not what is present has":   {`{"properties":{"e":{"default":{"font":"x"}}}}`, `{"e":{}}`, `{"e":{}}`},
		"by reference":              {`{"$defs":{"f":{"properties":{"size":{"default":12}},"default":{"x":1}}},"properties":{"t":{"$ref":"#/$defs/f"},"b":{"$ref":"#/$defs/f","default":{"y":2}}}}`, `{}`, `{"t":{"x":1,"size":12},"b":{"y":2,"size":12}}`},
		"the first counts":          {`{"allOf":[{"properties":{"a":{"default":3},"b":{"default":4}}},{"properties":{"b":{"default":5},"c":{"default":6}}}],"$ref":"#/$defs/r","$defs":{"r":{"properties":{"a":{"default":2},"d":{"default":7}}}},"properties":{"a":{"default":1}}}`, `{}`, `{"a":1,"d":7,"b":4,"c":6}`},
		"from two places":           {`{"properties":{"e":{"properties":{"x":{"default":1}}}},"allOf":[{"properties":{"e":{"default":{"z":3},"properties":{"y":{"default":2}}}}}]}`, `{}`, `{"e":{"z":3,"x":1,"y":2}}`},
		"of the whole":              {`{"default":{"a":{"x":1},"b":2},"properties":{"a":{"properties":{"y":{"default":5}}},"b":{"default":3},"c":{"default":4}}}`, `{"a":{"z":0}}`, `{"a":{"z":0,"x":1,"y":5},"b":2,"c":4}`},
		"of the whole, no object":   {`{"default":[1],"properties":{"b":{"default":3}}}`, `{}`, `{"b":3}`},
		"not in lists":              {`{"properties":{"l":{"items":{"properties":{"a":{"default":1}}}}}}`, `{"l":[{}]}`, `{"l":[{}]}`},
		"not of alternatives":       {`{"anyOf":[{"properties":{"a":{"default":1}}}],"if":{"properties":{"b":{"default":1}}}}`, `{}`, `{}`},
		"a tree":                    {tree, `{}`, `{"size":1}`},
		"a grown tree":              {tree, `{"child":{"child":{}}}`, `{"child":{"child":{"size":1},"size":1},"size":1}`},
		"a tree with a root":        {`{"properties":{"tree":{"$ref":"#/$defs/t"}},"$defs":{"t":{"properties":{"v":{"default":0},"l":{"$ref":"#/$defs/t"}}}}}`, `{}`, `{"tree":{"v":0}}`},
		"no use in growing":         {`{"properties":{"l":{"$ref":"#"}}}`, `{}`, `{}`},
		"odd keys":                  {`{"properties":{"\u0061\"/~":{"default":1},"é":{"default":"\u00e9"}}}`, `{}`, `{"\u0061\"/~":1,"é":"\u00e9"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := compiled(t, c.schema)
			for range 2 { // the second time there is nothing left to do, nor has the schema changed
				got, err := s.Effective([]byte(c.document), limits.Bytes)
				if err != nil || string(got) != c.want {
					t.Fatalf("got\n%s, %v\nwant\n%s", got, err, c.want)
				}
				again, err := s.Effective(got, limits.Bytes)
				if err != nil || string(again) != c.want {
					t.Fatalf("again\n%s, %v\nwant\n%s", again, err, c.want)
				}
				if _, err := s.Effective([]byte(c.document), len(c.want)); err != nil {
					t.Errorf("it has no more bytes than allowed, yet %v", err)
				}
				_, err = s.Effective([]byte(c.document), len(c.want)-1)
				checkError(t, err, settings.ErrTooLarge)
			}
		})
	}
}

func spaces(n int) string {
	all := make([]byte, n)
	for i := range all {
		all[i] = ' '
	}
	return string(all)
}

func TestNoSchema(t *testing.T) {
	t.Parallel()
	var none *schema.Schema
	checkError(t, none.Check([]byte(`{"a":1}`)), nil)
	got, err := none.Effective([]byte(`{"a":1}`), 7)
	if checkError(t, err, nil); string(got) != `{"a":1}` {
		t.Errorf("got %s", got)
	}
	_, err = none.Effective([]byte(`{"a":1}`), 6)
	checkError(t, err, settings.ErrTooLarge)
}
