package messages

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// Following is a part of what has changed since a position. Without one it begins with all users
// who have a document, and goes on with what has changed since that began. Each user is as they are
// now, so whoever follows skips versions, and may be told of one twice.
type Following struct {
	After     *Position `cbor:"1,keyasint,omitempty"` // [Result.Position] of the part before
	Limit     int       `cbor:"2,keyasint"`           // users at most, as in [Listing]
	Documents bool      `cbor:"3,keyasint,omitempty"` // the answer has the documents, too
	Now       bool      `cbor:"4,keyasint,omitempty"` // only the position that there is now is wanted
}

// Position is a place in the order of all changes. Nothing that becomes visible later is before it.
type Position struct {
	// Database tells databases apart: a position says nothing of another one, nor of one that was
	// restored.
	Database    string `cbor:"1,keyasint"`
	Transaction int64  `cbor:"2,keyasint"`           // the one that made the change
	User        string `cbor:"3,keyasint,omitempty"` // the last one who came
	Listing     bool   `cbor:"4,keyasint,omitempty"` // all users are being listed
}

// Compare orders positions after the listing, of one database.
func (p Position) Compare(q Position) int {
	return cmp.Or(cmp.Compare(p.Transaction, q.Transaction), strings.Compare(p.User, q.User))
}

// cursorVersion is the first byte of a position's text.
const cursorVersion = 2

// String is the position as an opaque text, which [ParsePosition] reads.
func (p Position) String() string {
	b := []byte{cursorVersion, 0}
	if p.Listing {
		b[1] = 1
	}
	b = binary.AppendUvarint(b, uint64(max(p.Transaction, 0)))
	b = append(append(b, p.Database...), 0)
	return base64.RawURLEncoding.EncodeToString(append(b, p.User...))
}

var errPosition = errors.New("it is not a position")

// ParsePosition reads what String has returned. Anything else is an error.
func ParsePosition(text string) (Position, error) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) < 2 || b[0] != cursorVersion {
		return Position{}, errPosition
	}
	transaction, n := binary.Uvarint(b[2:])
	if n <= 0 {
		return Position{}, errPosition
	}
	database, user, _ := bytes.Cut(b[2+n:], []byte{0})
	p := Position{
		Database: string(database), Transaction: int64(transaction), //nolint:gosec // checked below
		User: string(user), Listing: b[1] == 1,
	}
	if p.check() != nil || p.String() != text {
		return Position{}, errPosition
	}
	return p, nil
}

func (p *Position) check() error {
	switch {
	case p == nil:
		return nil
	case p.Transaction < 0:
		return errors.New("the position has a negative number")
	case p.Database == "" || len(p.Database) > MaxDatabase ||
		strings.ContainsFunc(p.Database, unicode.IsControl):
		return errors.New("the position has an impossible database")
	case p.User != "":
		if err := CheckUser(p.User); err != nil {
			return fmt.Errorf("the position: %w", err)
		}
	}
	return nil
}
