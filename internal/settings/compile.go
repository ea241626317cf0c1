package settings

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// home is the address that the validator gives the schema. It stands for no place: see nowhere.
const home = "outset:///schema"

// nowhere is where schemas are loaded from: nothing is fetched. What the validator has with it, the
// metaschemas, does not come this way.
type nowhere struct{}

var errOutside = errors.New("nothing is fetched")

func (nowhere) Load(string) (any, error) { return nil, errOutside }

// compile has the validator compile a text that has been read.
func (s *source) compile(text []byte) (*jsonschema.Schema, error) {
	value, err := decode(text)
	if err != nil {
		return nil, err
	}
	if bulk(value) > maxValues {
		return nil, fmt.Errorf("%w: it has too many values", ErrSchema)
	}
	if root, ok := value.(map[string]any); ok {
		delete(root, "$id") // no reference is relative to it
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(nowhere{})
	c.UseRegexpEngine(s.patterns.compile)
	if err := c.AddResource(home, value); err != nil {
		return nil, explain(text, err)
	}
	compiled, err := c.Compile(home)
	if err != nil {
		return nil, explain(text, err)
	}
	return compiled, nil
}

// explain words the validator's error for the person who sent the schema: in one line, with the
// place in their text and without the address that it has in here. It is mostly what the metaschema
// has to say, of which one thing is enough.
func explain(text []byte, err error) error {
	if invalid, ok := errors.AsType[*jsonschema.SchemaValidationError](err); ok {
		if broken, ok := errors.AsType[*jsonschema.ValidationError](invalid.Err); ok {
			first := violations(text, broken).Violations[0]
			return refused(first.Pointer, first.Reason)
		}
	}
	words := strings.Join(strings.Fields(strings.ReplaceAll(err.Error(), home, "")), " ")
	return fmt.Errorf("%w: %s", ErrSchema, cut(words, maxReason))
}

// place names where in the schema something is.
func place(schema *jsonschema.Schema) string {
	at := strings.TrimPrefix(schema.Location, home+"#")
	if path, err := url.PathUnescape(at); err == nil {
		at = path
	}
	return fmt.Sprintf("%q", cut(at, maxPointer))
}
