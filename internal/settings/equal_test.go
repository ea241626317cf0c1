package settings_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/outset-settings/outset/internal/settings"
)

// TestEqual is RFC 6902 section 4.6, which "test" goes by.
func TestEqual(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{`1`, `1.0`, true},
		{`1`, `1e0`, true},
		{`1`, `100e-2`, true},
		{`1`, `0.001E+3`, true},
		{`10`, `1e1`, true},
		{`-12.50`, `-125e-1`, true},
		{`0`, `-0`, true},
		{`0`, `0.0e99`, true},
		{`0e-999999999`, `0e999999999`, true},
		{`1`, `-1`, false},
		{`1`, `10`, false},
		{`0`, `1e-400`, false},
		{`0.1`, `0.01`, false},
		{`101`, `11`, false},
		{`9007199254740993`, `9007199254740992`, false},
		{`9007199254740993`, `9007199254740993.0`, true},
		{`0.1000000000000000055511151231257827`, `0.1`, false},
		{`1e-999999999`, `10e-1000000000`, true},
		{`1e-999999999`, `1e-999999998`, false},
		{`1e-99999999999999999999999`, `0.1e-99999999999999999999998`, true},
		{`1e-99999999999999999999999`, `1e-99999999999999999999998`, false},
		{`1`, `"1"`, false},
		{`"a"`, `"\u0061"`, true},
		{`"😀"`, `"\ud83d\ude00"`, true},
		{`"\u0000"`, `""`, false},
		{`"a/b"`, `"a\/b"`, true},
		{`"` + strings.Repeat(`\u0061`, 9) + `"`, `"aaaaaaaaa"`, true},
		{`"aaaaaaaaa"`, `"` + strings.Repeat(`\u0061`, 9) + `"`, true},
		{`"é"`, `"e\u0301"`, false}, // no Unicode normalization
		{`true`, `true`, true},
		{`true`, `false`, false},
		{`null`, `false`, false},
		{`[]`, `[ ]`, true},
		{`[]`, `{}`, false},
		{`[1,[2]]`, `[1.0, [2e0] ]`, true},
		{`[1,2]`, `[2,1]`, false},
		{`[1]`, `[1,1]`, false},
		{`{"a":1,"b":{"c":[null]}}`, `{"b":{"\u0063":[null]},"a":1.0}`, true},
		{`{"a":1}`, `{"b":1}`, false},
		{`{"a":null}`, `{}`, false},
		{`{"a":1}`, `{"a":2}`, false},
	} {
		for _, pair := range [][2]string{{c.a, c.b}, {c.b, c.a}} {
			t.Run(fmt.Sprint(pair), func(t *testing.T) {
				t.Parallel()
				var wantErr error
				if !c.want {
					wantErr = settings.ErrNotApplicable
				}
				document := `{"x":` + pair[0] + `}`
				patch := `[{"op":"test","path":"/x","value":` + pair[1] + `}]`
				checkOutcome(t, limits.JSONPatch, document, patch, document, wantErr)
			})
		}
	}
}

// What an operation before has removed is not there to be compared.
func TestEqualAfterEdits(t *testing.T) {
	t.Parallel()
	checkOutcome(t, limits.JSONPatch, `{"o":{"a":1,"b":2},"l":[1,2]}`, `[
		{"op":"remove","path":"/o/a"}, {"op":"test","path":"/o","value":{"b":2}},
		{"op":"remove","path":"/l/0"}, {"op":"test","path":"/l","value":[2]},
		{"op":"test","path":"","value":{"l":[2],"o":{"b":2}}}
	]`, `{"o":{"b":2},"l":[2]}`, nil)
}
