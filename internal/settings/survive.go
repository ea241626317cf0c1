package settings

import (
	"fmt"
	"runtime/debug"
)

// Survive is deferred by whoever works on what came from outside: it makes an error of a panic, so
// that one document or schema that brings a library down does no harm to others. The error wraps
// none of this package: whoever sent it is not to blame.
func Survive(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
	}
}
