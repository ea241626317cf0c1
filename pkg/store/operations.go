package store

import (
	"errors"
	"fmt"
	"time"

	"github.com/outset-settings/outset/internal/settings"
)

// Why an operation was not done, beside the errors of package settings, which say what is wrong
// with the request. Unless it wraps [ErrOutcomeUnknown], an error of a write means that it surely
// was not applied.
var (
	// ErrExpired: the deadline had passed, by the database's clock.
	ErrExpired = errors.New("the deadline passed before the write was applied")
	// ErrIDReused: the log has the user's same id with another fingerprint.
	ErrIDReused = errors.New("the operation id was used for another write")
	// ErrUnavailable: the database can't be reached, or can't do it now.
	ErrUnavailable = errors.New("the database is unavailable")
	// ErrBusy: others were writing to the same user all the time. It wraps ErrUnavailable.
	ErrBusy = fmt.Errorf("%w: others were writing to the same user", ErrUnavailable)
	// ErrOutcomeUnknown: the connection broke while the commit was on its way, and retrying did not
	// show whether the write was applied. The same write may be sent again.
	ErrOutcomeUnknown = errors.New("whether the write was applied is unknown")
)

// Actor is who made a version, or a token.
type Actor struct {
	Kind    int16  // 1 a user, 2 a service, 0 not known
	Subject string // the user's id or the service's name; "": the user whose settings these are
	Token   string // the id of the token; "": not known
}

// Document is a user's settings at a version.
type Document struct {
	Version  int64 // how many writes there have been; 0: none yet
	Bytes    []byte
	Absent   bool      // there is none at this version, and Bytes is [settings.Empty]
	Dropped  bool      // the history doesn't have it any more, and Bytes is nil
	Modified time.Time // when the version came to be; zero: never saved
}

// Read is one operation that reads. With the user alone it wants the current document.
type Read struct {
	User    string
	Version int64   // the document as it was then; 0: not wanted
	History *Page   // the versions and what made them; nil: not wanted
	Number  bool    // the current document without its bytes
	Schema  bool    // the current document, and the schema that documents must satisfy
	List    *List   // of all users; nil: not wanted
	Tokens  bool    // the valid tokens
	Follow  *Follow // of changes of all users; nil: not wanted
}

// current reports whether the current document is wanted.
func (r *Read) current() bool {
	return r.Version == 0 && r.History == nil && !r.Number && r.List == nil && !r.Tokens &&
		r.Follow == nil
}

// Page is a part of a history, from the newest version down.
type Page struct {
	Below int64 // versions below this one; 0: from the current one on
	Limit int   // how many, at most
}

// Found is the outcome of a [Read].
type Found struct {
	Document
	Entries  []Entry   // of the history, the newest first
	Schema   *Schema   // with Read.Schema
	Listed   *Listed   // with Read.List
	Tokens   []Token   // with Read.Tokens, the oldest first
	Followed *Followed // with Read.Follow
	Err      error     // wraps settings.ErrNotFound: the version is not in the history
}

// Entry is a version in a history.
type Entry struct {
	Version   int64
	Time      time.Time // when it was applied
	Operation string    // what made it: Write.Operation
	Restored  int64     // the version that it made current again; 0: none
	Size      int64     // bytes of the document, 0: there is none
	Dropped   bool      // the history doesn't have the document any more
	Actor     Actor     // who made it
}

// Write is one operation that changes a user's document, by exactly one of Replace, Change, Restore
// and Erase.
type Write struct {
	User        string
	ID          string    // unique among the user's writes
	Keyed       bool      // the ID is a client's key, so the log may well have it already
	Fingerprint []byte    // what was asked, hashed; compared when the ID is found in the log
	Deadline    time.Time // not applied from then on; zero: none
	Issued      time.Time // not applied if the user was erased since; zero: not known
	// Again: it was sent before, with the same ID and Issued, and what became of that isn't known.
	// If it is refused, Write also keeps the earlier attempts from being applied; see fence.go.
	Again     bool
	Operation string // what the history calls it
	Actor     Actor  // who asked for it
	If        *settings.Condition

	Path []string // of the value that it changes; nil: the whole document
	// Wrong is why the write can't be applied to any document; nil: it can. If the log has the ID,
	// the write gets its first answer all the same.
	Wrong error

	Replace []byte          // the new document, whatever there is now; nobody may modify it
	Change  settings.Change // computes the new document
	Restore int64           // the version to make current again, as a new one
	Erase   bool            // remove document, history and ids; versions go on counting

	checkedWith *Schema       // the schema that Replace was last checked with
	checkErr    error         // the result
	took        time.Duration // Written.Took so far, over all attempts
}

// charge adds what it took to compute the write since then, and returns the time.
func (w *Write) charge(since time.Time) (now time.Time) {
	now = time.Now()
	w.took += now.Sub(since)
	return now
}

// Written is the outcome of a [Write]. The document in it is what the write made, also when
// Replayed, unless the history has dropped it since; or, when Err wraps settings.ErrPrecondition,
// the current one.
type Written struct {
	Document
	Created  bool // see settings.Next
	Replayed bool // applied by an earlier attempt; the rest is the outcome of that
	Err      error
	// Fenced: of a write that was sent Again and refused no attempt was applied, and none will be.
	Fenced bool
	// Took is how long the program computed for it: its change, the check against the schema, the
	// condition on a value. Attempts that were repeated count; what the database does doesn't.
	Took time.Duration

	// Bytes that this version, and all of the user's so far, have added to the history; 0: none.
	added, written int64
}

// Retention is what the history keeps: every version of the last Age, and the last Versions of each
// user.
type Retention struct {
	Versions int
	Age      time.Duration
}
