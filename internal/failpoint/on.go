//go:build failpoint

package failpoint

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
)

// Variable is where a program that is built with the tag is told what to do wrong:
// names and how often, such as "worker/reply-lost=2,worker/other=1".
const Variable = "OUTSET_FAILPOINTS"

var points = must(parse(os.Getenv(Variable)))

// Hit tells whether the fault with this name is to happen now. It does the first times, as
// many as the variable says, and is safe for concurrent use.
func Hit(name string) bool {
	left, ok := points[name]
	return ok && left.Add(-1) >= 0
}

func parse(text string) (map[string]*atomic.Int64, error) {
	points := make(map[string]*atomic.Int64)
	if text == "" {
		return points, nil
	}
	for point := range strings.SplitSeq(text, ",") {
		name, times, _ := strings.Cut(point, "=")
		n, err := strconv.ParseInt(times, 10, 32)
		if name == "" || err != nil || n < 1 || points[name] != nil {
			return nil, fmt.Errorf("%s: %q is not a name, = and how often, each name once", Variable, point)
		}
		points[name] = new(atomic.Int64)
		points[name].Store(n)
	}
	return points, nil
}

// must panics: a test of faults that do not happen would prove nothing.
func must(points map[string]*atomic.Int64, err error) map[string]*atomic.Int64 {
	if err != nil {
		panic(err)
	}
	return points
}
