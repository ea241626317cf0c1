package settings_test

import (
	"strings"
	"testing"

	"github.com/outset-settings/outset/internal/settings"
)

// TestJSONPatchAsInRFC6902 has all of its appendix A.
func TestJSONPatchAsInRFC6902(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, document, patch, want string
		wantErr                     error
	}{
		{"A.1 adding an object member", `{"foo":"bar"}`, `[{"op":"add","path":"/baz","value":"qux"}]`, `{"foo":"bar","baz":"qux"}`, nil},
		{"A.2 adding an array element", `{"foo":["bar","baz"]}`, `[{"op":"add","path":"/foo/1","value":"qux"}]`, `{"foo":["bar","qux","baz"]}`, nil},
		{"A.3 removing an object member", `{"baz":"qux","foo":"bar"}`, `[{"op":"remove","path":"/baz"}]`, `{"foo":"bar"}`, nil},
		{"A.4 removing an array element", `{"foo":["bar","qux","baz"]}`, `[{"op":"remove","path":"/foo/1"}]`, `{"foo":["bar","baz"]}`, nil},
		{"A.5 replacing a value", `{"baz":"qux","foo":"bar"}`, `[{"op":"replace","path":"/baz","value":"boo"}]`, `{"baz":"boo","foo":"bar"}`, nil},
		{
			"A.6 moving a value", `{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}`,
			`[{"op":"move","from":"/foo/waldo","path":"/qux/thud"}]`, `{"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}`, nil,
		},
		{
			"A.7 moving an array element", `{"foo":["all","grass","cows","eat"]}`,
			`[{"op":"move","from":"/foo/1","path":"/foo/3"}]`, `{"foo":["all","cows","eat","grass"]}`, nil,
		},
		{
			"A.8 testing a value: success", `{"baz":"qux","foo":["a",2,"c"]}`,
			`[{"op":"test","path":"/baz","value":"qux"},{"op":"test","path":"/foo/1","value":2}]`, `{"baz":"qux","foo":["a",2,"c"]}`, nil,
		},
		{"A.9 testing a value: error", `{"baz":"qux"}`, `[{"op":"test","path":"/baz","value":"bar"}]`, ``, settings.ErrNotApplicable},
		{"A.10 adding a nested member object", `{"foo":"bar"}`, `[{"op":"add","path":"/child","value":{"grandchild":{}}}]`, `{"foo":"bar","child":{"grandchild":{}}}`, nil},
		{"A.11 ignoring unrecognized elements", `{"foo":"bar"}`, `[{"op":"add","path":"/baz","value":"qux","xyz":123}]`, `{"foo":"bar","baz":"qux"}`, nil},
		{"A.12 adding to a nonexistent target", `{"foo":"bar"}`, `[{"op":"add","path":"/baz/bat","value":"qux"}]`, ``, settings.ErrNotApplicable},
		{"A.13 invalid JSON patch document", `{"foo":"bar"}`, `[{"op":"add","path":"/baz","value":"qux","op":"remove"}]`, ``, settings.ErrMalformed},
		{"A.14 ~ escape ordering", `{"/":9,"~1":10}`, `[{"op":"test","path":"/~01","value":10}]`, `{"/":9,"~1":10}`, nil},
		{"A.15 comparing strings and numbers", `{"/":9,"~1":10}`, `[{"op":"test","path":"/~01","value":"10"}]`, ``, settings.ErrNotApplicable},
		{"A.16 adding an array value", `{"foo":["bar"]}`, `[{"op":"add","path":"/foo/-","value":["abc","def"]}]`, `{"foo":["bar",["abc","def"]]}`, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			checkOutcome(t, limits.JSONPatch, c.document, c.patch, c.want, c.wantErr)
		})
	}
}

// TestJSONPatch is about what the examples of the RFC leave out.
func TestJSONPatch(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ document, patch, want string }{
		"no operations":               {` {"a" : 1}`, `[ ]`, ` {"a" : 1}`},
		"the whole added":             {`{"a":1}`, `[{"op":"add","path":"","value":{"b":2}}]`, `{"b":2}`},
		"the whole replaced":          {`{"a":1}`, `[{"op":"replace","path":"","value":{"b":2}}]`, `{"b":2}`},
		"a child becomes the whole":   {`{"a":{"b":2}}`, `[{"op":"move","from":"/a","path":""}]`, `{"b":2}`},
		"the whole into itself":       {`{"a":1}`, `[{"op":"copy","from":"","path":"/b"}]`, `{"a":1,"b":{"a":1}}`},
		"no object on the way":        {`{"a":1}`, `[{"op":"replace","path":"","value":[]},{"op":"replace","path":"","value":{}}]`, `{}`},
		"into what was added":         {`{}`, `[{"op":"add","path":"/a","value":{"b":{"c":[{}]}}},{"op":"add","path":"/a/b/c/0","value":{"d":{}}},{"op":"add","path":"/a/b/c/0/d/e","value":1}]`, `{"a":{"b":{"c":[{"d":{"e":1}},{}]}}}`},
		"into the whole added":        {`{"a":1}`, `[{"op":"add","path":"","value":{"b":{"c":{}}}},{"op":"replace","path":"/b/c","value":{"d":{}}},{"op":"remove","path":"/b/c/d"}]`, `{"b":{"c":{}}}`},
		"into what was moved up":      {`{"a":{"b":{"c":{"d":{"e":{}}}}}}`, `[{"op":"move","from":"/a/b/c","path":"/f"},{"op":"add","path":"/f/d/e/g","value":1}]`, `{"a":{"b":{}},"f":{"d":{"e":{"g":1}}}}`},
		"a test of what is inside":    {`{"a":{"b":[1,{"c":2.0}]}}`, `[{"op":"test","path":"/a","value":{"b":[1.0,{"c":2}]}}]`, `{"a":{"b":[1,{"c":2.0}]}}`},
		"beside what is kept":         {`{"a":{"b" : [ 1 ]},"c":{"d":{ }}}`, `[{"op":"add","path":"/c/e","value":{"f" : [ ]}}]`, `{"a":{"b" : [ 1 ]},"c":{"d":{ },"e":{"f" : [ ]}}}`},
		"add replaces a member":       {`{"a":1,"b":2}`, `[{"op":"add","path":"/a","value":3}]`, `{"a":3,"b":2}`},
		"add at the end by index":     {`{"a":[1]}`, `[{"op":"add","path":"/a/1","value":2}]`, `{"a":[1,2]}`},
		"- is a key of an object":     {`{"-":1}`, `[{"op":"replace","path":"/-","value":2}]`, `{"-":2}`},
		"the empty key":               {`{"":{"":1}}`, `[{"op":"replace","path":"//","value":2}]`, `{"":{"":2}}`},
		"01 is a key of an object":    {`{"01":1}`, `[{"op":"remove","path":"/01"}]`, `{}`},
		"a copy is apart":             {`{"a":{"x":1}}`, `[{"op":"copy","from":"/a","path":"/b"},{"op":"replace","path":"/b/x","value":2}]`, `{"a":{"x":1},"b":{"x":2}}`},
		"a copy of what was edited":   {`{"a":{"x":1}}`, `[{"op":"replace","path":"/a/x","value":2},{"op":"copy","from":"/a","path":"/b"}]`, `{"a":{"x":2},"b":{"x":2}}`},
		"added, removed, added":       {`{}`, `[{"op":"add","path":"/a","value":1},{"op":"remove","path":"/a"},{"op":"add","path":"/a","value":2}]`, `{"a":2}`},
		"moved over another":          {`{"a":1,"b":2}`, `[{"op":"move","from":"/a","path":"/b"}]`, `{"b":1}`},
		"from shifts path":            {`{"a":[1,[2]]}`, `[{"op":"move","from":"/a/0","path":"/a/0/0"}]`, ``},
		"to the end of its array":     {`{"a":[1,2,3]}`, `[{"op":"move","from":"/a/0","path":"/a/-"}]`, `{"a":[2,3,1]}`},
		"a key that begins another's": {`{"a":1,"ab":{}}`, `[{"op":"move","from":"/a","path":"/ab/c"}]`, `{"ab":{"c":1}}`},
		"an operation in escapes":     {`{"a":1}`, `[{"\u006fp":"rem\u006fve","path":"\/a"}]`, `{}`},
		"value null":                  {`{"a":1}`, `[{"op":"replace","path":"/a","value":null},{"op":"test","path":"/a","value":null}]`, `{"a":null}`},
		"value where none is needed":  {`{"a":1}`, `[{"op":"remove","path":"/a","value":{"b":[]},"from":7}]`, `{}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var wantErr error
			if c.want == "" {
				wantErr = settings.ErrNotApplicable
			}
			checkOutcome(t, limits.JSONPatch, c.document, c.patch, c.want, wantErr)
		})
	}
}

func TestJSONPatchFails(t *testing.T) {
	t.Parallel()
	const document = `{"a":[1,2],"o":{"k":"v"},"n":1}`
	deep := nested(limits.Depth)
	big := `"` + strings.Repeat("x", limits.Bytes*3/4) + `"`
	for name, c := range map[string]struct {
		patch string
		want  error
	}{
		"empty":                     {``, settings.ErrMalformed},
		"not JSON":                  {`[{"op":"remove","path":"/n"},]`, settings.ErrMalformed},
		"an object":                 {`{"op":"remove","path":"/n"}`, settings.ErrMalformed},
		"a string":                  {`"a"`, settings.ErrMalformed},
		"an operation is an array":  {`[[]]`, settings.ErrMalformed},
		"no op":                     {`[{"path":"/n"}]`, settings.ErrMalformed},
		"op is a number":            {`[{"op":1,"path":"/n"}]`, settings.ErrMalformed},
		"an unknown op":             {`[{"op":"merge","path":"/n","value":1}]`, settings.ErrMalformed},
		"another case":              {`[{"op":"Remove","path":"/n"}]`, settings.ErrMalformed},
		"no path":                   {`[{"op":"remove"}]`, settings.ErrMalformed},
		"path is null":              {`[{"op":"remove","path":null}]`, settings.ErrMalformed},
		"path without /":            {`[{"op":"remove","path":"n"}]`, settings.ErrMalformed},
		"path with ~2":              {`[{"op":"remove","path":"/~2"}]`, settings.ErrMalformed},
		"path with ~ at the end":    {`[{"op":"remove","path":"/~"}]`, settings.ErrMalformed},
		"no from":                   {`[{"op":"move","path":"/n"}]`, settings.ErrMalformed},
		"from without /":            {`[{"op":"copy","from":"a","path":"/n"}]`, settings.ErrMalformed},
		"add without value":         {`[{"op":"add","path":"/n"}]`, settings.ErrMalformed},
		"replace without value":     {`[{"op":"replace","path":"/n"}]`, settings.ErrMalformed},
		"test without value":        {`[{"op":"test","path":"/n"}]`, settings.ErrMalformed},
		"the second is malformed":   {`[{"op":"remove","path":"/no"},{}]`, settings.ErrMalformed},
		"too deep":                  {`[{"op":"add","path":"/x","value":` + nested(limits.Depth+1) + `}]`, settings.ErrMalformed},
		"too large":                 {`[{"op":"add","path":"/x","value":"` + strings.Repeat("x", limits.Bytes) + `"}]`, settings.ErrTooLarge},
		"no such member":            {`[{"op":"remove","path":"/x"}]`, settings.ErrNotApplicable},
		"replace where nothing is":  {`[{"op":"replace","path":"/x","value":1}]`, settings.ErrNotApplicable},
		"test where nothing is":     {`[{"op":"test","path":"/x","value":null}]`, settings.ErrNotApplicable},
		"move from nowhere":         {`[{"op":"move","from":"/x","path":"/y"}]`, settings.ErrNotApplicable},
		"copy from nowhere":         {`[{"op":"copy","from":"/x","path":"/y"}]`, settings.ErrNotApplicable},
		"move to nowhere":           {`[{"op":"move","from":"/n","path":"/x/y"}]`, settings.ErrNotApplicable},
		"moved where it isn't":      {`[{"op":"move","from":"/x","path":"/x"}]`, settings.ErrNotApplicable},
		"through a scalar":          {`[{"op":"add","path":"/n/x","value":1}]`, settings.ErrNotApplicable},
		"index out of range":        {`[{"op":"add","path":"/a/3","value":1}]`, settings.ErrNotApplicable},
		"index of the end, removed": {`[{"op":"remove","path":"/a/2"}]`, settings.ErrNotApplicable},
		"index with a leading zero": {`[{"op":"replace","path":"/a/01","value":1}]`, settings.ErrNotApplicable},
		"add at a leading zero":     {`[{"op":"add","path":"/a/00","value":1}]`, settings.ErrNotApplicable},
		"a signed index":            {`[{"op":"remove","path":"/a/+1"}]`, settings.ErrNotApplicable},
		"a negative index":          {`[{"op":"remove","path":"/a/-1"}]`, settings.ErrNotApplicable},
		"an endless index":          {`[{"op":"remove","path":"/a/99999999999999999999999"}]`, settings.ErrNotApplicable},
		"a word for an index":       {`[{"op":"add","path":"/a/x","value":1}]`, settings.ErrNotApplicable},
		"an empty index":            {`[{"op":"add","path":"/a/","value":1}]`, settings.ErrNotApplicable},
		"- removed":                 {`[{"op":"remove","path":"/a/-"}]`, settings.ErrNotApplicable},
		"- tested":                  {`[{"op":"test","path":"/a/-","value":2}]`, settings.ErrNotApplicable},
		"- copied":                  {`[{"op":"copy","from":"/a/-","path":"/x"}]`, settings.ErrNotApplicable},
		"into its own child":        {`[{"op":"move","from":"/o","path":"/o/x"}]`, settings.ErrNotApplicable},
		"the whole moved":           {`[{"op":"move","from":"","path":"/x"}]`, settings.ErrNotApplicable},
		"the whole removed":         {`[{"op":"remove","path":""}]`, settings.ErrNotApplicable},
		"a path beyond all levels":  {`[{"op":"test","path":"` + strings.Repeat("/a", 30_000) + `","value":1}]`, settings.ErrNotApplicable},
		"the result is no object":   {`[{"op":"replace","path":"","value":[1]}]`, settings.ErrInvalid},
		"a number beyond a double":  {`[{"op":"add","path":"/x","value":1e999}]`, settings.ErrInvalid},
		"a long key":                {`[{"op":"add","path":"/` + strings.Repeat("k", settings.MaxKey+1) + `","value":1}]`, settings.ErrInvalid},
		"the result is too deep":    {`[{"op":"add","path":"/x","value":` + deep + `}]`, settings.ErrInvalid},
		"the result is too large":   {`[{"op":"add","path":"/x","value":` + big + `},{"op":"copy","from":"/x","path":"/y"}]`, settings.ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := outcome(limits.JSONPatch, document, c.patch)
			checkError(t, err, c.want)
		})
	}
}

func TestJSONPatchSaysWhichOperation(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ patch, index, path string }{
		{`[{"op":"add","path":"/a","value":1},{"op":"test","path":"/a","value":2}]`, "operation 1", "/a"},
		{`[{"op":"remove","path":"/x~1y/z"}]`, "operation 0", "/x~1y/z"},
		{`[{"op":"copy","from":"/m~0n","path":"/a"}]`, "operation 0", "/m~0n"},
	} {
		_, err := outcome(limits.JSONPatch, `{}`, c.patch)
		checkError(t, err, settings.ErrNotApplicable)
		if text := err.Error(); !strings.Contains(text, c.index) ||
			!strings.Contains(text, c.path) {
			t.Errorf("%q doesn't say %s and %s", text, c.index, c.path)
		}
	}
}

// TestPatchedDepthIsAsDeepAsAllowed: the patch's own levels don't count.
func TestPatchedDepthIsAsDeepAsAllowed(t *testing.T) {
	t.Parallel()
	deep := nested(limits.Depth)
	checkOutcome(t, limits.JSONPatch, `{}`, `[{"op":"add","path":"","value":`+deep+`}]`, deep, nil)
}
