package settings

import (
	"slices"
	"time"
)

// State is what a condition is checked against: a user's current document.
type State struct {
	Version  int64
	Absent   bool // there is none: never saved, or deleted
	NoValue  bool // the write is for a value inside the document that doesn't exist
	Modified time.Time
	Previous time.Time // when the version before was made; zero: never, or long ago
}

// Condition must be true for a write to be applied (RFC 9110 section 13). All of its parts must
// hold; one that is nil or zero does. UnmodifiedSince counts only without Match, which says the
// same more precisely (section 13.1.4).
type Condition struct {
	Match           *Versions // If-Match: the current version is one of these
	NoneMatch       *Versions // If-None-Match: the current version is none of these
	UnmodifiedSince time.Time // If-Unmodified-Since, in whole seconds: what HTTP dates can say
}

// Versions is a set of versions. The zero Tag stands for "there is no document".
type Versions struct {
	Any    bool // every version that has the document, or the value, that the write is for
	Listed []Tag
}

// Tag names a version for good: by its number, which a restored database uses again, and the time
// when it was made.
type Tag struct {
	Version int64
	Micros  int64 // since 1970 (UTC); 0: at any time
}

func (t Tag) names(s State) bool {
	return t.Version == s.Version && (t.Micros == 0 || t.Micros == s.Modified.UnixMicro())
}

// Holds reports whether the state satisfies the condition. It always satisfies a nil one.
func (c *Condition) Holds(s State) bool {
	switch {
	case c == nil:
		return true
	case c.Match != nil && !c.Match.has(s):
		return false
	case c.NoneMatch != nil && c.NoneMatch.has(s):
		return false
	case c.Match == nil && c.modified(s):
		return false
	}
	return true
}

// modified reports whether the document may have changed or been deleted after the date. It may
// have if two versions are of that second: then the date is the Last-Modified of both, and a writer
// who has seen the first would undo the second. A user who never saved one has no date to compare.
func (c *Condition) modified(s State) bool {
	if c.UnmodifiedSince.IsZero() {
		return false
	}
	return s.Modified.Truncate(time.Second).After(c.UnmodifiedSince) ||
		!s.Previous.Truncate(time.Second).Before(c.UnmodifiedSince)
}

// has reports whether the state is one of the versions. A writer that has seen the deletion lists
// the tag of the deleted document.
func (v *Versions) has(s State) bool {
	return v.Any && !s.Absent && !s.NoValue ||
		slices.ContainsFunc(v.Listed, func(t Tag) bool { return t.names(s) }) ||
		s.Absent && slices.Contains(v.Listed, Tag{})
}
