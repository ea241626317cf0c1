// Package settings is the domain, without any transport or storage: what a
// settings document is and what a write does to it.
package settings

import (
	"errors"

	"github.com/outset-settings/outset/internal/jsontree"
)

// Empty is what stands for the document of a user who has none: never saved, or deleted.
const Empty = `{}`

// Limits is what a document may have. The zero value allows nothing; see [DefaultLimits].
type Limits struct {
	Bytes int // of the whole document, as it is spelt
	Depth int // levels of nested objects and arrays
	Keys  int // of all objects together
}

// DefaultLimits are those of a deployment that chooses none.
var DefaultLimits = Limits{Bytes: 64 << 10, Depth: 32, Keys: 10_000}

// The limits that nobody may choose.
const (
	MaxKey    = 256 // bytes of one key, as it is spelt
	MaxDigits = 40  // bytes of one number, as it is spelt
)

// Why a document can't be what a write, or a read of a value, wants. The errors of this package
// wrap one of these.
var (
	// ErrMalformed: not one JSON value as RFC 8259 and RFC 7493 (I-JSON) want it:
	// UTF-8 without a byte order mark, without repeated keys or lone surrogates. Or
	// nested too deep, or not what RFC 6902 calls a patch.
	ErrMalformed = jsontree.ErrMalformed
	// ErrInvalid: valid JSON that no settings document may be.
	ErrInvalid = errors.New("not a settings document")
	// ErrTooLarge: the document is or would be over [Limits.Bytes].
	ErrTooLarge = errors.New("too large")
	// ErrNotFound: what is to be read, deleted or restored is not there.
	ErrNotFound = errors.New("not found")
	// ErrNotApplicable: the patch or the path doesn't fit the current document.
	ErrNotApplicable = errors.New("not applicable to the current document")
	// ErrPrecondition: what the writer wanted to be true of the current document is not.
	ErrPrecondition = errors.New("the precondition does not hold")
	// ErrSchema: what is to be a schema is none, or none that is taken: see package schema.
	ErrSchema = errors.New("not a schema")
	// ErrViolation: the document isn't what the schema wants. A schema.ViolationError says where.
	ErrViolation = errors.New("the document breaks the schema")
)

// Next is what a change makes of a document.
type Next struct {
	Document []byte // nil: there is none any more
	Created  bool   // a value came to be at a path where none was
}

// Change is what a write does to a document: it gets the current one, [Empty] if there is none, and
// returns the next, or an error that wraps one of those above. It has no side effects and neither
// keeps nor changes what it gets, so it may be applied again, and by several goroutines. It is made
// of a body that has been checked, keeps no more than its bytes and takes them apart each time: a
// body is bounded, and so is the time for that, but many changes wait at once, and 900 patches of
// 63 KB that had been taken apart took 1.8 GB.
type Change func(current []byte) (Next, error)

// Delete is the change after which there is no document.
func Delete([]byte) (Next, error) { return Next{}, nil }
