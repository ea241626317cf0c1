package schema

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/outset-settings/outset/internal/jsontree"
	"github.com/outset-settings/outset/internal/settings"
)

// MaxWork is what one document may cost, in evaluations. The library keeps everything that it finds
// wrong, at 0.7 KB and 1.5 µs each, so this is 150 MB and 0.3 s at worst. Common documents take 20
// to 200; one of 64 KiB that is nothing but digits has 32,768 values and may have each checked
// against four schemas.
const MaxWork = 200_000

// home is the address of the schema inside the library. Nothing is ever loaded from it.
const home = "outset:///schema"

// refuseLoad is the loader for schemas that the library doesn't have: nothing is fetched. It has
// its metaschemas.
type refuseLoad struct{}

var errFetch = errors.New("nothing is fetched")

func (refuseLoad) Load(string) (any, error) { return nil, errFetch }

// validator is a schema that the library has compiled, with the count of the work for the current
// document. The library can't keep a count for each call, so only one goroutine may use it at a
// time.
type validator struct {
	root    *jsonschema.Schema
	dynamic []*jsonschema.Schema // those with a "$dynamicAnchor"
	work    *work
}

func newValidator(text []byte, dynamic []string, m matchLimits) (*validator, error) {
	value, err := decode(text)
	if err != nil {
		return nil, err
	}
	v := &validator{work: &work{limits: m}}
	v.work.start()
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(refuseLoad{})
	c.UseRegexpEngine(func(pattern string) (jsonschema.Regexp, error) {
		return newPattern(pattern, v.work)
	})
	if err := c.AddResource(home, value); err != nil {
		return nil, err
	}
	if v.root, err = c.Compile(home); err != nil {
		return nil, err
	}
	for _, pointer := range dynamic {
		one, err := c.Compile(home + (&url.URL{Fragment: pointer}).String())
		if err != nil {
			return nil, err
		}
		v.dynamic = append(v.dynamic, one)
	}
	for _, one := range reachable(v.entries()) {
		replaceSlow(one, v.work)
		one.Extensions = append(one.Extensions, newMeter(one, v.work))
	}
	return v, nil
}

// entries returns schemas that lead to all others: dynamic references may lead to any anchor.
func (v *validator) entries() []*jsonschema.Schema {
	return append([]*jsonschema.Schema{v.root}, v.dynamic...)
}

// check checks a document, of which value is the decoded content.
func (v *validator) check(document []byte, value any) (err error) {
	v.work.start()
	defer func() {
		switch p := recover().(type) {
		case nil:
		case tooMuchWork:
			err = oneViolation("", "is too much work to check against the schema")
		case *slowMatch:
			err = p.violation(document)
		default:
			panic(p)
		}
	}()
	return wrong(document, v.root.Validate(value))
}

// work is what the current document may still cost. When it runs out, spend panics: nothing else
// can stop the library.
type work struct {
	left     int           // evaluations
	matching time.Duration // for matches of regular expressions
	limits   matchLimits
}

type tooMuchWork struct{}

func (w *work) start() { w.left, w.matching = MaxWork, w.limits.all }

func (w *work) spend(evaluations int) {
	if w.left -= evaluations; w.left < 0 {
		panic(tooMuchWork{})
	}
}

// bytesOfOne is how many bytes of a string, measured or copied, are as much work as one evaluation.
const bytesOfOne = 128

// meter is a keyword of our own, added to every schema, that counts the work of checking one value
// against it. The library runs it last, and doesn't run it for a value of the wrong type. So each
// meter also counts the schemas that it leads to, for the value and for each value inside it.
type meter struct {
	work *work
	own  int // for any value
	each int // for each value inside it
}

func newMeter(s *jsonschema.Schema, w *work) meter {
	m := meter{work: w, own: weight(s) + len(inPlace(s)), each: 1 + len(s.PatternProperties)}
	if s.DynamicRef != nil {
		m.own += 16 // the library looks for the target in all schemas that have led here
	}
	if s.Contains != nil {
		m.each++
	}
	return m
}

// Validate is that of [jsonschema.SchemaExt].
func (m meter) Validate(_ *jsonschema.ValidatorContext, value any) {
	n := m.own
	switch v := value.(type) {
	case string:
		n += len(v) / bytesOfOne
	case []any:
		n += m.each * len(v)
	case map[string]any:
		n += m.each * len(v)
	}
	m.work.spend(n)
}

// explain words the library's error for the person who sent the schema: in one line, with the
// location in their text and without the address home. If the schema violates the metaschema, it
// reports the first violation.
func (s *source) explain(text []byte, err error) error {
	if invalid, ok := errors.AsType[*jsonschema.SchemaValidationError](err); ok {
		if broken, ok := errors.AsType[*jsonschema.ValidationError](invalid.Err); ok {
			first := violations(text, broken).Violations[0]
			return refused(first.Pointer, first.Reason)
		}
	}
	if missing, ok := errors.AsType[*jsonschema.LoadURLError](err); ok {
		for _, r := range s.references {
			if r.url == missing.URL {
				return refused(r.at, anotherDocument(r.says))
			}
		}
	}
	words := strings.Join(strings.Fields(strings.ReplaceAll(err.Error(), home, "")), " ")
	return fmt.Errorf("%w: %s", settings.ErrSchema, jsontree.Cut(words, maxReason))
}

// location returns the JSON pointer of a compiled schema.
func location(schema *jsonschema.Schema) string {
	at := strings.TrimPrefix(schema.Location, home+"#")
	if path, err := url.PathUnescape(at); err == nil {
		at = path
	}
	return at
}
