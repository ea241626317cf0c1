package settings

import (
	"fmt"
	"runtime/debug"
)

// Survive turns a panic into an error. Functions that work on input from outside defer it, so that
// a document or schema that makes a library panic does no harm to others. The error wraps none of
// this package's: it is not the sender's fault.
func Survive(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
	}
}
