package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// spec says what a side is: KIND[:NUMBER][@FOLDER][+NAME=VALUE…]. The number is that of Outset's
// workers or of direct's database connections; the folder has other builds of Outset's programs,
// and the variables are for all processes of Outset or direct. So
// "outset,outset@/tmp/before/bin,outset:2+GOGC=400" compares three of them.
type spec struct {
	name   string
	kind   string
	number int // 0: as by default
	folder string
	env    []string
}

func parseSpec(name string) (s spec, err error) {
	s.name = name
	rest, env, found := strings.Cut(name, "+")
	if found {
		s.env = strings.Split(env, "+")
	}
	rest, s.folder, _ = strings.Cut(rest, "@")
	kind, number, found := strings.Cut(rest, ":")
	if s.kind = kind; !slices.Contains([]string{"outset", "direct", "hono", "static"}, kind) {
		return s, fmt.Errorf("there is no side %q", name)
	}
	if found {
		if s.number, err = strconv.Atoi(number); err != nil || s.number < 1 {
			return s, fmt.Errorf("the side %q: %q is no positive number", name, number)
		}
	}
	return s, nil
}

// file makes the name fit for a file's.
func (s spec) file() string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, s.name)
}
