package settings_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/outset-settings/outset/internal/settings"
)

// TestMergeAsInRFC7396 has all rows of its appendix A.
func TestMergeAsInRFC7396(t *testing.T) {
	t.Parallel()
	for i, c := range []struct{ original, patch, result string }{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`["a","b"]`, `["c","d"]`, `["c","d"]`},
		{`{"a":"b"}`, `["c"]`, `["c"]`},
		{`{"a":"foo"}`, `null`, `null`},
		{`{"a":"foo"}`, `"bar"`, `"bar"`},
		{`{"e":null}`, `{"a":1}`, `{"e":null,"a":1}`},
		{`[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
	} {
		t.Run(fmt.Sprint(i+1), func(t *testing.T) {
			t.Parallel()
			got, err := settings.Merge(c.original, c.patch)
			if err != nil || got != c.result {
				t.Errorf("Merge is %s, %v; want %s", got, err, c.result)
			}
			var wantErr error
			if c.result[0] != '{' {
				wantErr = settings.ErrInvalid
			}
			checkOutcome(t, limits.MergePatch, c.original, c.patch, c.result, wantErr)
		})
	}
}

func TestMergePatch(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ document, patch, want string }{
		"nothing":                      {" { \"a\" : 1 }\n", `{}`, " { \"a\" : 1 }\n"},
		"a key that isn't there":       {`{"a": 1}`, `{"b":null}`, `{"a": 1}`},
		"nulls in arrays stay":         {`{}`, `{"a":[null,{"b":null}]}`, `{"a":[null,{"b":null}]}`},
		"nulls over a scalar":          {`{"a":1}`, `{"a":{"b":null,"c":{"d":null,"e":2}}}`, `{"a":{"c":{"e":2}}}`},
		"the last of nulls":            {`{"a":1}`, `{"a":{ "b": 2, "c": null }}`, `{"a":{ "b": 2 }}`},
		"empty object over a scalar":   {`{"a":1}`, `{"a":{ }}`, `{"a":{ }}`},
		"empty object over an object":  {`{"a":{ "b":1}}`, `{"a":{}}`, `{"a":{ "b":1}}`},
		"a key spelt with escapes":     {`{"\u0061":1}`, `{"a":2}`, `{"\u0061":2}`},
		"a key removed by its escapes": {`{"a":1,"b":2}`, `{"\u0061":null}`, `{"b":2}`},
		"the empty key":                {`{"":1}`, `{"":{"":2}}`, `{"":{"":2}}`},
		"removed, then as if new":      {`{"a":1}`, `{"a":null,"b":1}`, `{"b":1}`},
		"spelt as in the patch":        {`{"n":1}`, `{"n":1.10,"\u006d": 1E+2}`, `{"n":1.10,"\u006d":1E+2}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkOutcome(t, limits.MergePatch, c.document, c.patch, c.want, nil)
		})
	}
}

func TestMergePatchFails(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("k", settings.MaxKey+1)
	half := `"` + strings.Repeat("x", limits.Bytes/2) + `"`
	for name, c := range map[string]struct {
		document, patch string
		want            error
	}{
		"empty":                    {`{}`, ``, settings.ErrMalformed},
		"not JSON":                 {`{}`, `{"a":1,}`, settings.ErrMalformed},
		"repeated key":             {`{}`, `{"a":1,"\u0061":2}`, settings.ErrMalformed},
		"two values":               {`{}`, `{}{}`, settings.ErrMalformed},
		"lone surrogate":           {`{}`, `{"a":"\ud800"}`, settings.ErrMalformed},
		"too deep":                 {`{}`, nested(limits.Depth + 1), settings.ErrMalformed},
		"too large":                {`{}`, `{"a":"` + strings.Repeat("x", limits.Bytes) + `"}`, settings.ErrTooLarge},
		"not an object":            {`{}`, `7`, settings.ErrInvalid},
		"beyond a double":          {`{}`, `{"a":1e999}`, settings.ErrInvalid},
		"a long key":               {`{}`, `{"` + long + `":1}`, settings.ErrInvalid},
		"a long key, deleted":      {`{}`, `{"` + long + `":null}`, nil},
		"too large together":       {`{"a":` + half + `}`, `{"b":` + half + `}`, settings.ErrTooLarge},
		"the document is not JSON": {`{"a":x}`, `{"b":1}`, settings.ErrMalformed},
		"there is no document":     {``, `{"b":1}`, settings.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := outcome(limits.MergePatch, c.document, c.patch)
			checkError(t, err, c.want)
		})
	}
}

func TestMergePatchCountsKeys(t *testing.T) {
	t.Parallel()
	half := manyKeys(wideLimits.Keys / 2)
	_, err := outcome(wideLimits.MergePatch, half, `{"a":`+half+`}`)
	checkError(t, err, settings.ErrInvalid)
	_, err = outcome(wideLimits.MergePatch, half, half)
	checkError(t, err, nil)
	// Keys that go don't count.
	_, err = outcome(wideLimits.MergePatch, half, strings.ReplaceAll(manyKeys(wideLimits.Keys+1), ":1",
		":null"))
	checkError(t, err, nil)
}
