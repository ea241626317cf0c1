package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// spec describes a side: KIND[:NUMBER][@FOLDER][+NAME=VALUE…]. For example,
// "outset,outset@/tmp/before/bin,outset:2+GOGC=400" compares three of them.
type spec struct {
	name   string
	kind   string   // outset, direct, hono or static
	number int      // of Outset's workers, or direct's database connections; 0: the default
	folder string   // of another build of Outset's programs
	env    []string // for all processes of Outset or direct
}

// UnmarshalText parses a spec.
func (s *spec) UnmarshalText(text []byte) (err error) {
	s.name = string(text)
	rest, env, found := strings.Cut(s.name, "+")
	if found {
		s.env = strings.Split(env, "+")
	}
	rest, s.folder, _ = strings.Cut(rest, "@")
	kind, number, found := strings.Cut(rest, ":")
	if s.kind = kind; !slices.Contains([]string{"outset", "direct", "hono", "static"}, kind) {
		return fmt.Errorf("no side %q", s.name)
	}
	if found {
		if s.number, err = strconv.Atoi(number); err != nil || s.number < 1 {
			return fmt.Errorf("side %q: %q is not a positive number", s.name, number)
		}
	}
	return nil
}

// label returns the name with _ for what is special in file and benchmark names.
func (s spec) label() string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("/ -*", r) {
			return '_'
		}
		return r
	}, s.name)
}
