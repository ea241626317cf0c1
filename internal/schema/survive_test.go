package schema_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/outset-settings/outset/internal/schema"
	"github.com/outset-settings/outset/internal/settings"
)

// TestSchemaSurvives: what goes wrong in here is an error that wraps none of the named ones, so
// that nobody outside is blamed for it.
func TestSchemaSurvives(t *testing.T) {
	t.Parallel()
	broken := schema.Broken()
	_, effective := broken.Effective([]byte(`{}`), 10)
	for name, err := range map[string]error{
		"a document that is checked":                     broken.Check([]byte(`{}`)),
		"defaults that are added":                        effective,
		"an unknown error of the library":                schema.Wrong(errors.New("no idea")),
		"an error of the library that wraps one of ours": schema.Wrong(fmt.Errorf("%w", settings.ErrSchema)),
	} {
		if err == nil {
			t.Errorf("%s is right", name)
		}
		for _, of := range named {
			if errors.Is(err, of) {
				t.Errorf("%s: %v is %v", name, err, of)
			}
		}
	}
}
