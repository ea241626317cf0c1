package settings

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// What the regular expressions of a schema may come to, in states of the machine that is made of
// each, so that "(.{1000}){9}" counts as what it is. Matching takes up to 12 ns for each state and
// byte of the text.
const (
	maxPattern  = 4_000  // states of one, and bytes of its text
	maxPatterns = 20_000 // states of all together: some 1 MB
)

var errPattern = errors.New("it is too large")

// patterns are the regular expressions of a schema, in RE2's syntax.
type patterns struct {
	known  map[string]*expression
	states int
}

// expression is one of them, compiled.
type expression struct {
	*regexp.Regexp
	states int
}

func newPatterns() *patterns {
	return &patterns{known: map[string]*expression{}}
}

// compile is a [jsonschema.RegexpEngine].
func (p *patterns) compile(text string) (jsonschema.Regexp, error) {
	if e, ok := p.known[text]; ok {
		return e, nil
	}
	e, err := p.expression(text)
	if err != nil {
		return nil, err
	}
	p.known[text] = e
	return e, nil
}

func (p *patterns) expression(text string) (*expression, error) {
	if len(text) > maxPattern {
		return nil, errPattern
	}
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, explainSyntax(err)
	}
	size := states(parsed)
	if p.states += size; size > maxPattern || p.states > maxPatterns {
		return nil, errPattern
	}
	compiled, err := regexp.Compile(text)
	if err != nil {
		return nil, explainSyntax(err)
	}
	return &expression{compiled, size}, nil
}

func explainSyntax(err error) error {
	var fault *syntax.Error
	if errors.As(err, &fault) {
		return fmt.Errorf("%s: %q", fault.Code, short(fault.Expr))
	}
	return err
}

// states estimates how many the machine has, without making it. A class of characters weighs more
// the more ranges it has: \pL has 600.
func states(re *syntax.Regexp) int {
	const rangesOfOne = 8
	sum := 1
	switch re.Op {
	case syntax.OpLiteral:
		sum = len(re.Rune)
	case syntax.OpCharClass:
		sum += len(re.Rune) / (2 * rangesOfOne)
	}
	for _, sub := range re.Sub {
		sum += states(sub)
	}
	if re.Op == syntax.OpRepeat {
		sum *= max(re.Min, re.Max, 1)
	}
	return sum
}
