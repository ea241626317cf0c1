package schema

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dlclark/regexp2/v2"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/outset-settings/outset/internal/jsontree"
)

const (
	maxPattern = 4_000 // bytes of a regular expression
	// maxMatch is how long one match may take. The engine backtracks: "(a+)+$" takes twice as long
	// for each letter more. Its clock ticks every 0.1 s.
	maxMatch   = 250 * time.Millisecond
	maxMatches = time.Second // all matches for a document together
	// maxBacktracks is 8 MB of places to go back to. "^(a|b)*$" needs two for each letter.
	maxBacktracks = 1 << 20
)

// matchLimits are how long matches may take.
type matchLimits struct {
	one time.Duration
	all time.Duration // for one document
}

// pattern is a regular expression of ECMA-262 with the flag "u", as JSON Schema wants it. The
// engine also takes some of .NET's syntax that ECMA-262 refuses, like "(?>a)" and "(?#comment)".
type pattern struct {
	says   string
	engine *regexp2.Regexp
	work   *work
}

func newPattern(says string, w *work) (*pattern, error) {
	if len(says) > maxPattern {
		return nil, fmt.Errorf("it has more than %d bytes", maxPattern)
	}
	engine, err := regexp2.Compile(says, regexp2.ECMAScript|regexp2.Unicode,
		regexp2.OptionMaxBacktrackingStackSize(maxBacktracks))
	if err != nil {
		why := strings.TrimPrefix(err.Error(), "error parsing regexp: ")
		return nil, errors.New(jsontree.Short(strings.TrimSuffix(why, " in `"+says+"`")))
	}
	if w != nil {
		engine.MatchTimeout = w.limits.one
	}
	return &pattern{says, engine, w}, nil
}

// String is that of [jsonschema.Regexp].
func (p *pattern) String() string { return p.says }

// MatchString is that of [jsonschema.Regexp]. A match that takes too long ends the check.
func (p *pattern) MatchString(text string) bool {
	p.work.spend(1 + len(text)/bytesOfOne)
	start := time.Now()
	matches, err := p.engine.MatchString(text)
	p.work.matching -= time.Since(start)
	if err != nil || p.work.matching < 0 {
		panic(&slowMatch{p.says, text})
	}
	return matches
}

// slowMatch is a match that took too long.
type slowMatch struct{ pattern, text string }

// violation says where in the document it was: at the first string, or name, with that text.
func (s *slowMatch) violation(document []byte) error {
	why := "takes too long to match the pattern " + quoted(s.pattern)
	d := jsontree.NewDecoder(document, jsontext.AllowDuplicateNames(true))
	for {
		token, err := d.ReadToken()
		if err != nil {
			return oneViolation("", "has a string that "+why)
		}
		if token.Kind() != '"' || token.String() != s.text {
			continue
		}
		pointer := string(d.StackPointer())
		if parent, position := d.StackIndex(d.StackDepth()); parent == '{' && position%2 == 1 {
			why = "has a name that " + why
		}
		return oneViolation(pointer, why)
	}
}
