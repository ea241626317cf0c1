package settings

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// survive makes an error of a panic, so that one schema or document that brings the validator down
// does no harm to others. The error wraps none of those of this package: whoever asked is not to
// blame.
func survive(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("panic with a schema: %v\n%s", p, debug.Stack())
	}
}

// errValidator is what the validator fails with if it isn't about the document, which is then not
// right.
var errValidator = errors.New("the validator of schemas failed")
