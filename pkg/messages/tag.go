package messages

import (
	"strconv"
	"strings"
)

// Tag names a version of a document for good. The version's number alone doesn't: a database that
// was restored from a backup gives numbers again that were given since the backup, and so does a
// standby that takes over without the last writes. Nothing in a database tells of that reliably,
// but what is written then is written later. So no operator has to remember anything.
type Tag struct {
	Version int64 `cbor:"1,keyasint"`
	// Modified is when the version was made, in microseconds since 1970 (UTC). In a condition zero
	// stands for any time.
	Modified int64 `cbor:"2,keyasint,omitempty"`
}

// Tag names the version that the result is about.
func (r *Result) Tag() Tag { return Tag{r.Version, r.Modified} }

// Tag names the version that was made.
func (c *Changed) Tag() Tag { return Tag{c.Version, c.Modified} }

// tagBase is that of the time in the text of a tag: 10 characters instead of 16.
const tagBase = 36

// Append appends the text of the tag, as in "7-hmw2k3p9x4"; that of a user who never saved is "0".
// Clients have it as the entity tag of the version, and as the id of an event.
func (t Tag) Append(b []byte) []byte {
	b = strconv.AppendInt(b, t.Version, 10)
	if t.Version == 0 {
		return b
	}
	return strconv.AppendInt(append(b, '-'), t.Modified, tagBase)
}

// ParseTag returns the tag that has this text, if there is one.
func ParseTag(text string) (t Tag, ok bool) {
	version, modified, _ := strings.Cut(text, "-")
	t.Version, _ = strconv.ParseInt(version, 10, 64)
	t.Modified, _ = strconv.ParseInt(modified, tagBase, 64)
	timeless := t.Version > 0 && t.Modified == 0 // it would name the version of any time
	if timeless || t.impossible() || string(t.Append(nil)) != text {
		return Tag{}, false
	}
	return t, true
}

func (t Tag) impossible() bool { return t.Version < 0 || !validMicros(t.Modified) }
