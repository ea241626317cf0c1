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
	// MaxPattern is how many bytes a regular expression may have.
	MaxPattern = 4_000
	// MaxGroups is how deep groups may be nested. The engine goes through all that is in a group
	// again for each around it: 300 in each other took it 0.3 s to compile.
	MaxGroups = 10
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
	if len(says) > MaxPattern {
		return nil, fmt.Errorf("it has more than %d bytes", MaxPattern)
	}
	if groups(says) > MaxGroups {
		return nil, fmt.Errorf("its groups are nested deeper than %d", MaxGroups)
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

// groups returns how deep the groups of a regular expression are nested, or more. Where it may take
// for a class or a comment what the engine doesn't, or the other way round, nothing closes a group.
func groups(says string) (deepest int) {
	depth, class, comment := 0, -1, false // class is where it begins
	for i := 0; i < len(says); i++ {
		switch c := says[i]; {
		case c == '\\':
			i++
		case c == '[' && class < 0:
			class = i
		case c == ']' && i > class+1 && says[i-1] != '^':
			class = -1
		case c == '#':
			comment = true
		case c == '\n':
			comment = false
		case c == '(':
			depth++
			deepest = max(deepest, depth)
		case c == ')' && class < 0 && !comment:
			depth--
		}
	}
	return deepest
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
