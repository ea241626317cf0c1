package api

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// unknownMember is the error for a member that one of our own JSON bodies doesn't have.
func unknownMember(name string, known ...string) error {
	return errors.New(unknown("member", name, known))
}

// unknown tells that a name is not one of those that are known, and which one was probably meant.
func unknown(what, name string, known []string) string {
	text := fmt.Sprintf("unknown %s %s", what, shown(name))
	if near := nearest(name, known); near != "" {
		return text + "; did you mean " + near + "?"
	}
	if len(known) == 0 {
		return text + "; there is none here"
	}
	return text + "; there is " + strings.Join(known, ", ")
}

// shown is a name as it stands in a message: as it is where that is unambiguous.
func shown(name string) string {
	if name == "" || len(name) > 40 || strings.ContainsFunc(name, notInToken) {
		return fmt.Sprintf("%.40q", name)
	}
	return name
}

// nearest returns the known name that is spelt most like this one, or "" if none is spelt alike.
func nearest(name string, known []string) string {
	const longest = 64 // what is compared of a name
	plain := letters(name[:min(len(name), longest)])
	best, least := "", len(plain)/2+1
	for _, k := range known {
		other := letters(k)
		d := distance(plain, other)
		if len(plain) > 2 && (strings.Contains(other, plain) || strings.Contains(plain, other)) {
			d = min(d, 1)
		}
		if d < least {
			best, least = k, d
		}
	}
	return best
}

// letters is a name without what spellings differ in: dryRun, dry-run and dry_run are the same.
func letters(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r == '-' || r == '.' || r == ' ' {
			return -1
		}
		return r
	}, strings.ToLower(name))
}

// distance is how many letters must be put in, left out or replaced to make b of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = slices.Min([]int{row[j+1] + 1, row[j] + 1, replace})
		}
	}
	return row[len(b)]
}
