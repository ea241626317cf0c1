package schema_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/outset-settings/outset/internal/schema"
	"github.com/outset-settings/outset/internal/settings"
)

// TestSchemaSurvives: what goes wrong inside is an error that nobody outside is blamed for.
func TestSchemaSurvives(t *testing.T) {
	t.Parallel()
	broken := schema.Broken()
	_, effective := broken.Effective([]byte(`{}`), 10)
	for name, err := range map[string]error{
		"a document that is checked":  broken.Check([]byte(`{}`)),
		"a document that is filled":   effective,
		"a validator with a bad day":  schema.Wrong(errors.New("no idea")),
		"a validator with our errors": schema.Wrong(fmt.Errorf("%w", settings.ErrSchema)),
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
