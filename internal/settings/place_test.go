package settings_test

import (
	"strings"
	"testing"

	"github.com/outset-settings/outset/internal/settings"
)

// TestFaultsNameThePlace: line and column, or the column alone in a document of one line.
func TestFaultsNameThePlace(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("k", settings.MaxKey+1)
	for name, c := range map[string]struct{ document, want string }{
		"not JSON":           {"{\n \"a\": nul\n}", "at line 2, column 10"},
		"two values":         {"{}\n\n{}", "at line 3, column 1"},
		"more after it":      {"{} x", "there is more after the value, at column 4"},
		"too deep":           {"{\"a\":\n[[[[]]]]}", "at line 2, column 3"},
		"a number too large": {"{\"a\":1,\n\"b\": 1e999}", "at line 2, column 6"},
		"a number too long":  {`{"a":` + strings.Repeat("1", 41) + `}`, "at column 6"},
		"a key too long":     {"{\"a\":1,\n\"" + long + "\":2,\n\"" + long + "x\":3}", "at line 2, column 1"},
		"a lone surrogate":   {"{\n\"a\":\"\\ud83d\"}", "at line 2, column 6"},
	} {
		l := settings.DefaultLimits
		l.Depth = 3
		if err := l.Check([]byte(c.document)); err == nil || !strings.HasSuffix(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}
