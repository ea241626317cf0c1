package settings_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/outset-settings/outset/internal/settings"
)

func TestSetValue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		document, path, value, want string
		created                     bool
		placed                      string
	}{
		{`{"a":1}`, `/a`, `2`, `{"a":2}`, false, `/a`},
		{`{"a":1}`, `/b`, `2`, `{"a":1,"b":2}`, true, `/b`},
		{`{"a":null}`, `/a`, `2`, `{"a":2}`, false, `/a`},
		{`{"a":{"b":1}}`, `/a/b`, `[]`, `{"a":{"b":[]}}`, false, `/a/b`},
		{`{}`, `/a/b/c`, `1`, `{"a":{"b":{"c":1}}}`, true, `/a/b/c`},
		{`{}`, `/a/-`, `1`, `{"a":[1]}`, true, `/a/0`},
		{`{}`, `/a/-/b`, `1`, `{"a":[{"b":1}]}`, true, `/a/0/b`},
		{`{}`, `/a/-/-`, `1`, `{"a":[[1]]}`, true, `/a/0/0`},
		{`{}`, `/a/0`, `1`, `{"a":{"0":1}}`, true, `/a/0`},
		{`{"a":[1]}`, `/a/-`, `2`, `{"a":[1,2]}`, true, `/a/1`},
		{`{"a":[1]}`, `/a/-/b`, `2`, `{"a":[1,{"b":2}]}`, true, `/a/1/b`},
		{`{"a":[1]}`, `/a/-/-`, `2`, `{"a":[1,[2]]}`, true, `/a/1/0`},
		{`{"a":[[1]]}`, `/a/0/-`, `2`, `{"a":[[1,2]]}`, true, `/a/0/1`},
		{`{"a":[]}`, `/a/0`, `1`, `{"a":[1]}`, true, `/a/0`},
		{`{"a":[1]}`, `/a/1`, `2`, `{"a":[1,2]}`, true, `/a/1`},
		{`{"a":[1]}`, `/a/1/x`, `2`, `{"a":[1,{"x":2}]}`, true, `/a/1/x`},
		{`{"a":[1,2]}`, `/a/0`, `3`, `{"a":[3,2]}`, false, `/a/0`},
		{`{"a":{}}`, `/a/-`, `1`, `{"a":{"-":1}}`, true, `/a/-`},
		{`{"-":1}`, `/-`, `2`, `{"-":2}`, false, `/-`},
		{`{}`, `/-`, `2`, `{"-":2}`, true, `/-`},
		{`{}`, `/`, `1`, `{"":1}`, true, `/`},
		{`{"":{}}`, `//`, `1`, `{"":{"":1}}`, true, `//`},
		{`{}`, `/a~1b/~0"`, `1`, `{"a/b":{"~\"":1}}`, true, `/a~1b/~0"`},
		{`{"\u0061":1}`, `/a`, `1.0`, `{"\u0061":1.0}`, false, `/a`},
		{`{"a":1}`, ``, `{"b":2}`, `{"b":2}`, false, ``},
		{`{"__proto__":1}`, `/__proto__`, `2`, `{"__proto__":2}`, false, `/__proto__`},
	} {
		t.Run(c.document+c.path, func(t *testing.T) {
			t.Parallel()
			path := tokens(c.path)
			next, err := outcome(setter(path...), c.document, c.value)
			checkError(t, err, nil)
			if string(next.Document) != c.want || next.Created != c.created {
				t.Errorf("the next is %s, created %t; want %s, %t", next.Document, next.Created,
					c.want, c.created)
			}
			placed := settings.Placed(next.Document, path)
			if !slices.Equal(placed, tokens(c.placed)) {
				t.Errorf("it is placed at %q, want %s", placed, c.placed)
			}
			value, err := settings.Value(next.Document, placed)
			if string(value) != c.value || err != nil {
				t.Errorf("the value there is %s, %v; want %s", value, err, c.value)
			}
		})
	}
}

// tokens are those of a JSON pointer.
func tokens(pointer string) []string { return slices.Collect(jsontext.Pointer(pointer).Tokens()) }

func TestSetValueFails(t *testing.T) {
	t.Parallel()
	const document = `{"a":[1],"n":1,"s":"x","z":null}`
	for _, c := range []struct {
		path, value string
		early       bool // before a document is known
		want        error
	}{
		{`/x`, ``, true, settings.ErrMalformed},
		{`/x`, `{"a":1,"a":2}`, true, settings.ErrMalformed},
		{`/x`, `1 2`, true, settings.ErrMalformed},
		{`/x`, `"\ud800"`, true, settings.ErrMalformed},
		{`/x`, nested(limits.Depth + 1), true, settings.ErrMalformed},
		{"/\xff", `1`, true, settings.ErrMalformed},
		{`/x`, nested(limits.Depth), true, settings.ErrInvalid},
		{`/x/y`, nested(limits.Depth - 1), true, settings.ErrInvalid},
		{strings.Repeat("/x", limits.Depth+1), `1`, true, settings.ErrInvalid},
		{`/x`, `1e999`, true, settings.ErrInvalid},
		{`/x`, `{"` + strings.Repeat("k", settings.MaxKey+1) + `":1}`, true, settings.ErrInvalid},
		{`/` + strings.Repeat("k", settings.MaxKey+1), `1`, true, settings.ErrInvalid},
		{`/` + strings.Repeat("\x01", settings.MaxKey/6+1), `1`, true, settings.ErrInvalid},
		{``, `[]`, true, settings.ErrInvalid},
		{`/x`, `"` + strings.Repeat("x", limits.Bytes) + `"`, true, settings.ErrTooLarge},
		{`/x`, `"` + strings.Repeat("x", limits.Bytes-len(document)) + `"`, false, settings.ErrTooLarge},
		{`/a/2`, `1`, false, settings.ErrNotApplicable},
		{`/a/01`, `1`, false, settings.ErrNotApplicable},
		{`/a/x`, `1`, false, settings.ErrNotApplicable},
		{`/a/`, `1`, false, settings.ErrNotApplicable},
		{`/a/0/x`, `1`, false, settings.ErrNotApplicable},
		{`/n/x`, `1`, false, settings.ErrNotApplicable},
		{`/s/0`, `1`, false, settings.ErrNotApplicable},
		{`/z/-`, `1`, false, settings.ErrNotApplicable},
	} {
		t.Run(fmt.Sprintf("%.20s %.20s", c.path, c.value), func(t *testing.T) {
			t.Parallel()
			change, err := limits.SetValue(tokens(c.path), []byte(c.value))
			if c.early {
				checkError(t, err, c.want)
				return
			}
			checkError(t, err, nil)
			_, err = change([]byte(document))
			checkError(t, err, c.want)
		})
	}
}

func TestDeleteValue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ document, path, want string }{
		{`{"a":1,"b":2}`, `/a`, `{"b":2}`},
		{`{"a":[1,2,3]}`, `/a/1`, `{"a":[1,3]}`},
		{`{"a":[1,{"b":2}]}`, `/a/1/b`, `{"a":[1,{}]}`},
		{`{"":1}`, `/`, `{}`},
		{`{"-":1}`, `/-`, `{}`},
		{`{"\u0061":null}`, `/a`, `{}`},
		{`{"a":1}`, `/b`, ``},
		{`{"a":1}`, `/a/b`, ``},
		{`{"a":[1]}`, `/a/-`, ``},
		{`{"a":[1]}`, `/a/1`, ``},
		{`{"a":[1]}`, `/a/00`, ``},
		{`{}`, `/a/b/c`, ``},
	} {
		t.Run(c.document+c.path, func(t *testing.T) {
			t.Parallel()
			next, err := settings.DeleteValue(tokens(c.path))([]byte(c.document))
			if c.want == "" {
				checkError(t, err, settings.ErrNotFound)
				return
			}
			checkError(t, err, nil)
			if string(next.Document) != c.want || next.Created {
				t.Errorf("the next is %s, created %t; want %s", next.Document, next.Created, c.want)
			}
		})
	}
}

func TestDeleteTheWhole(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]settings.Change{
		"Delete":         settings.Delete,
		"without a path": settings.DeleteValue(nil),
	} {
		if next, err := change([]byte(`{"a":1}`)); next.Document != nil || err != nil {
			t.Errorf("%s: %s, %v", name, next.Document, err)
		}
	}
}

// TestPointersAsInRFC6901 has all of its section 5.
func TestPointersAsInRFC6901(t *testing.T) {
	t.Parallel()
	const document = `{
      "foo": ["bar", "baz"],
      "": 0,
      "a/b": 1,
      "c%d": 2,
      "e^f": 3,
      "g|h": 4,
      "i\\j": 5,
      "k\"l": 6,
      " ": 7,
      "m~n": 8
   }`
	for _, c := range [][2]string{
		{``, document},
		{`/foo`, `["bar", "baz"]`},
		{`/foo/0`, `"bar"`},
		{`/`, `0`},
		{`/a~1b`, `1`},
		{`/c%d`, `2`},
		{`/e^f`, `3`},
		{`/g|h`, `4`},
		{`/i\j`, `5`},
		{`/k"l`, `6`},
		{`/ `, `7`},
		{`/m~0n`, `8`},
	} {
		pointer, want := c[0], c[1]
		value, err := settings.Value([]byte(document), tokens(pointer))
		if string(value) != want || err != nil {
			t.Errorf("%s is %s, %v; want %s", pointer, value, err, want)
		}
		quoted, _ := jsontext.AppendQuote(nil, pointer)
		checkOutcome(t, limits.JSONPatch, document, `[{"op":"test","path":`+string(quoted)+`,"value":`+want+`}]`, document, nil)
	}
}

func TestValue(t *testing.T) {
	t.Parallel()
	const document = " {\"a\" : [ 1.10 , {\"b\":null} ] , \"s\":\"\\u0061\",\"-\":{ } } "
	for pointer, want := range map[string]string{
		``:       strings.TrimSpace(document),
		`/a`:     `[ 1.10 , {"b":null} ]`,
		`/a/0`:   `1.10`,
		`/a/1/b`: `null`,
		`/s`:     `"\u0061"`,
		`/-`:     `{ }`,
		`/a/-`:   ``,
		`/a/2`:   ``,
		`/a/00`:  ``,
		`/a/-0`:  ``,
		`/a/0/0`: ``,
		`/s/0`:   ``,
		`/x`:     ``,
		`/x/y`:   ``,
		`/A`:     ``,
	} {
		value, err := settings.Value([]byte(document), tokens(pointer))
		var wantErr error
		if want == "" {
			wantErr = settings.ErrNotFound
		}
		checkError(t, err, wantErr)
		if string(value) != want {
			t.Errorf("%s is %q, want %q", pointer, value, want)
		}
	}
	_, err := settings.Value([]byte(`{"a":x}`), []string{"a"})
	checkError(t, err, settings.ErrMalformed)
}
