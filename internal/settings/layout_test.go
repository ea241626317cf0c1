package settings_test

import (
	"testing"
)

const pretty = `{
  "theme": "dark",
  "size": 1.10,
  "tags": [
    "a",
    "b"
  ],
  "nested": {
    "one": 1
  }
}
`

// TestLayout: what a change doesn't touch keeps its bytes, and what is new looks like its neighbor.
func TestLayout(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		make                 maker
		document, body, want string
	}{
		"a value, pretty": {
			limits.MergePatch, pretty, `{"size":2.50}`,
			"{\n  \"theme\": \"dark\",\n  \"size\": 2.50,\n  \"tags\": [\n    \"a\",\n    \"b\"\n  ],\n  \"nested\": {\n    \"one\": 1\n  }\n}\n",
		},
		"a new member, pretty": {
			limits.MergePatch, "{\n  \"a\": 1,\n  \"b\": 2\n}\n", `{"c":3}`,
			"{\n  \"a\": 1,\n  \"b\": 2,\n  \"c\": 3\n}\n",
		},
		"the second member, pretty":    {limits.MergePatch, "{\n\t\"a\": 1\n}", `{"b":2}`, "{\n\t\"a\": 1,\n\t\"b\": 2\n}"},
		"the first member":             {limits.MergePatch, "{ }", `{"b":2}`, "{ \"b\":2 }"},
		"the first removed, pretty":    {limits.MergePatch, "{\n  \"a\": 1,\n  \"b\": 2\n}", `{"a":null}`, "{\n  \"b\": 2\n}"},
		"the last removed, pretty":     {limits.MergePatch, "{\n  \"a\": 1,\n  \"b\": 2\n}", `{"b":null}`, "{\n  \"a\": 1\n}"},
		"all removed, pretty":          {limits.MergePatch, "{\n  \"a\": 1\n}", `{"a":null}`, "{}"},
		"one for the other, pretty":    {limits.MergePatch, "{\n  \"a\": 1\n}", `{"a":null,"b":2}`, "{\n  \"b\": 2\n}"},
		"one line":                     {limits.MergePatch, `{"a": 1, "b": 2}`, `{"a":null,"c":3}`, `{"b": 2, "c": 3}`},
		"space everywhere":             {limits.MergePatch, ` { "a" : 1 , "b" : 2 } `, `{"c":3}`, ` { "a" : 1 , "b" : 2 , "c" : 3 } `},
		"deep, all else as it was":     {setter("b", "c"), `{"a" :[1 ,2],"b":{"c":1,"d" : "\u00e9" },"e":1e0}`, `7`, `{"a" :[1 ,2],"b":{"c":7,"d" : "\u00e9" },"e":1e0}`},
		"white space of the value":     {setter("a"), `{"a": 1}`, "\n [ 1 ] ", `{"a": [ 1 ]}`},
		"the whole":                    {setter(), "\n{\"a\":1} ", ` { } `, "\n{ } "},
		"an element appended":          {setter("tags", "-"), "{\"tags\": [\n  1,\n  2\n]}", `3`, "{\"tags\": [\n  1,\n  2,\n  3\n]}"},
		"the second element":           {setter("tags", "1"), "{\"tags\": [\n  1\n]}", `2`, "{\"tags\": [\n  1,\n  2\n]}"},
		"the first element":            {setter("tags", "0"), `{"tags": [ ]}`, `1`, `{"tags": [ 1 ]}`},
		"an element put first":         {limits.JSONPatch, `{"a": [1, 2]}`, `[{"op":"add","path":"/a/0","value":0}]`, `{"a": [0, 1, 2]}`},
		"the first element removed":    {limits.JSONPatch, `{"a": [ 1, 2, 3 ]}`, `[{"op":"remove","path":"/a/0"}]`, `{"a": [ 2, 3 ]}`},
		"all elements removed":         {limits.JSONPatch, `{"a": [ 1 ]}`, `[{"op":"remove","path":"/a/0"}]`, `{"a": []}`},
		"removed and added":            {limits.JSONPatch, `{"a": [ 1 ]}`, `[{"op":"remove","path":"/a/0"},{"op":"add","path":"/a/-","value":2}]`, `{"a": [ 2 ]}`},
		"removed, added and copied":    {limits.JSONPatch, "{\"a\":{\n\"x\" : 1\n}}", `[{"op":"remove","path":"/a/x"},{"op":"add","path":"/a/y","value":2},{"op":"add","path":"/a/z","value":3},{"op":"copy","from":"/a","path":"/b"}]`, "{\"a\":{\n\"y\" : 2,\n\"z\" : 3\n},\"b\":{\n\"y\" : 2,\n\"z\" : 3\n}}"},
		"a copy of an emptied object":  {limits.JSONPatch, `{"a":{ "x" : 1 }}`, `[{"op":"remove","path":"/a/x"},{"op":"copy","from":"/a","path":"/b"}]`, `{"a":{},"b":{}}`},
		"added to such a copy":         {limits.JSONPatch, `{"a":{ "x" : 1 }}`, `[{"op":"remove","path":"/a/x"},{"op":"copy","from":"/a","path":"/b"},{"op":"add","path":"/b/y","value":2}]`, `{"a":{},"b":{ "y" : 2 }}`},
		"a copy of an emptied array":   {limits.JSONPatch, `{"a":[ 1 ]}`, `[{"op":"remove","path":"/a/0"},{"op":"copy","from":"/a","path":"/b"},{"op":"add","path":"/b/-","value":2}]`, `{"a":[],"b":[ 2 ]}`},
		"most of many removed, a copy": {limits.JSONPatch, `{"a":{"a": 1, "b": 2, "c" : 3,  "d": 4}}`, `[{"op":"remove","path":"/a/d"},{"op":"remove","path":"/a/a"},{"op":"remove","path":"/a/c"},{"op":"copy","from":"/a","path":"/e"},{"op":"add","path":"/e/f","value":5}]`, `{"a":{"b": 2},"e":{"b": 2,  "f": 5}}`},
		"looked at":                    {limits.JSONPatch, pretty, `[{"op":"test","path":"/tags","value":["a","b"]},{"op":"test","path":"/nested","value":{"one":1.0}}]`, pretty},
		"empty ones looked at":         {limits.JSONPatch, "{\"a\":{ },\"b\":[\n]}", `[{"op":"test","path":"/a","value":{}},{"op":"test","path":"/b","value":[]}]`, "{\"a\":{ },\"b\":[\n]}"},
		"moved to where it is":         {limits.JSONPatch, `{"a":1, "b":2}`, `[{"op":"move","from":"/a","path":"/a"}]`, `{"a":1, "b":2}`},
		"moved with its spelling":      {limits.JSONPatch, `{"a":{ "x" : 1.0 }, "b":2}`, `[{"op":"move","from":"/a","path":"/c"}]`, `{"b":2, "c":{ "x" : 1.0 }}`},
		"copied with its spelling":     {limits.JSONPatch, `{"a":{ "x" : 1.0 }}`, `[{"op":"copy","from":"/a","path":"/c"}]`, `{"a":{ "x" : 1.0 },"c":{ "x" : 1.0 }}`},
		"added where one is":           {limits.JSONPatch, `{"\u0061" : 1, "b":2}`, `[{"op":"add","path":"/a","value":3}]`, `{"\u0061" : 3, "b":2}`},
		"replaced as the patch has it": {limits.JSONPatch, `{"a": 1}`, `[{"op":"replace","path":"/a","value" : { "x" : null } }]`, `{"a": { "x" : null }}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkOutcome(t, c.make, c.document, c.body, c.want, nil)
		})
	}
}
