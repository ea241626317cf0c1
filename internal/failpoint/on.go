//go:build failpoint

package failpoint

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
)

// Variable has the faults to inject: names and how often, such as
// "worker/reply-lost=2,worker/change-lost=30%".
const Variable = "OUTSET_FAILPOINTS"

// point is a fault, which happens the first times or at random.
type point struct {
	left    atomic.Int64
	percent int64 // 0: not at random
}

var points = must(parse(os.Getenv(Variable)))

// Hit reports whether the fault with this name is to happen now, and writes a line to standard
// error if so. It happens the first times, as many as the variable says, or in so many per cent of
// all calls. Safe for concurrent use.
func Hit(name string) bool {
	p := points[name]
	if p == nil || !p.hit() {
		return false
	}
	fmt.Fprintln(os.Stderr, "failpoint:", name)
	return true
}

func (p *point) hit() bool {
	if p.percent > 0 {
		return rand.Int64N(100) < p.percent //nolint:gosec // a fault, not a secret
	}
	return p.left.Add(-1) >= 0
}

func parse(variable string) (map[string]*point, error) {
	points := make(map[string]*point)
	if variable == "" {
		return points, nil
	}
	for text := range strings.SplitSeq(variable, ",") {
		name, often, _ := strings.Cut(text, "=")
		p, err := parseOften(often)
		if name == "" || err != nil || points[name] != nil {
			return nil, fmt.Errorf("%s: %q is not a name, = and how often, each name once",
				Variable, text)
		}
		points[name] = p
	}
	return points, nil
}

// parseOften reads a number of times, or a percentage with % behind it.
func parseOften(text string) (*point, error) {
	number, percent := strings.CutSuffix(text, "%")
	n, err := strconv.ParseInt(number, 10, 32)
	if err != nil || n < 1 || percent && n > 100 {
		return nil, errors.New("not how often")
	}
	p := new(point)
	if percent {
		p.percent = n
	} else {
		p.left.Store(n)
	}
	return p, nil
}

// must panics: a test of faults that do not happen would prove nothing.
func must(points map[string]*point, err error) map[string]*point {
	if err != nil {
		panic(err)
	}
	return points
}
