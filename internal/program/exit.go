package program

import (
	"errors"
	"fmt"
)

// The exit codes of all programs; WithCode gives others.
const (
	otherwise = 1 // any error
	usage     = 2 // an error in the arguments or in the environment
)

// exitError is an error with the code that the program ends with.
type exitError struct {
	error
	code int
}

func (e exitError) Unwrap() error { return e.error }

// WithCode returns the error with the exit code that Main is to return for it.
func WithCode(code int, err error) error { return exitError{err, code} }

// Usage returns an error in the arguments or in the environment.
func Usage(err error) error { return exitError{fmt.Errorf("%w (see --help)", err), usage} }

func exitCode(err error) int {
	var coded exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &coded):
		return coded.code
	}
	return otherwise
}
