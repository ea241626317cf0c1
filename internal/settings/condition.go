package settings

import (
	"slices"
	"time"
)

// State is what a condition is about: a user's document as it is now.
type State struct {
	Version  int64
	Absent   bool // there is none: never saved, or deleted
	NoValue  bool // what the write is about is a value inside the document, and that isn't there
	Modified time.Time
}

// Condition is what a writer wants to be true before a write is applied (RFC 9110
// section 13). All of its parts must hold; one that is nil or zero does. UnmodifiedSince
// counts only without Match, which says the same more precisely (section 13.1.4).
type Condition struct {
	Match           *Versions // If-Match: the current version is one of these
	NoneMatch       *Versions // If-None-Match: the current version is none of these
	UnmodifiedSince time.Time // If-Unmodified-Since, in whole seconds: what HTTP dates can say
}

// Versions is a set of versions. Zero stands for "there is no document".
type Versions struct {
	Any    bool // every version that has what the write is about
	Listed []int64
}

// Holds tells whether the condition is true of the state. A nil condition always is.
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

// modified tells whether the document has changed, or gone, after the date. One that never was has
// no date to compare.
func (c *Condition) modified(s State) bool {
	return !c.UnmodifiedSince.IsZero() && s.Modified.Truncate(time.Second).After(c.UnmodifiedSince)
}

// has tells whether the state is one of the versions. That of a deleted document is listed by who
// has seen that it was deleted.
func (v *Versions) has(s State) bool {
	return v.Any && !s.Absent && !s.NoValue ||
		slices.Contains(v.Listed, s.Version) ||
		s.Absent && slices.Contains(v.Listed, 0)
}
