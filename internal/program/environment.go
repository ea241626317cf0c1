package program

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// unknownVariable returns an error for a variable that is most likely a misspelt one of ours: one
// edit away from a name that we know. Our names have no prefix, so what is further away may be
// anybody's.
func unknownVariable(app *kong.Application, environ []string) error {
	var known []string
	collect(app.Node, &known)
	for _, line := range environ {
		name, _, _ := strings.Cut(line, "=")
		if slices.Contains(known, name) {
			continue
		}
		for _, k := range known {
			if oneEditApart(name, k) {
				return fmt.Errorf("%s is not a setting; did you mean %s?", name, k)
			}
		}
	}
	return nil
}

// collect adds the variables of a command and of all below it.
func collect(n *kong.Node, names *[]string) {
	for _, f := range n.Flags {
		*names = append(*names, variables(f)...)
	}
	for _, child := range n.Children {
		collect(child, names)
	}
}

// oneEditApart reports whether one letter inserted, removed, replaced, or exchanged with its
// neighbour makes b of a. Names under six letters are too easily somebody else's.
func oneEditApart(a, b string) bool {
	if len(b) < 6 || a == b {
		return false
	}
	if len(a) < len(b) {
		a, b = b, a
	}
	i := 0
	for i < len(b) && a[i] == b[i] {
		i++
	}
	if len(a) == len(b)+1 {
		return a[i+1:] == b[i:]
	}
	if len(a) != len(b) {
		return false
	}
	swapped := i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
	return swapped || a[i+1:] == b[i+1:]
}

// dropEmpty unsets those of our variables that are empty, as compose files often leave them: an
// empty variable counts as not set.
func dropEmpty(app *kong.Application) error {
	var names []string
	collect(app.Node, &names)
	var err error
	for _, name := range names {
		if value, ok := os.LookupEnv(name); ok && value == "" {
			err = errors.Join(err, os.Unsetenv(name))
		}
	}
	return err
}
