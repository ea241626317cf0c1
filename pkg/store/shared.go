package store

import (
	"bytes"
	"fmt"
)

// A write that changes nothing makes a version as any other does, but no further copy of a large
// document: neither in the row of settings nor in the log, where the version shares the document of
// the one before it. Such a row has the document's size and no document. So has a row whose
// document was dropped; what tells them apart is that a shared document is found below, with
// nothing but rows that share it in between. Versions are therefore removed from the log only
// together with those that share their document (removeRows), and a document that is dropped is
// dropped for all versions that share it.
//
// Each version whose number sharedVersions divides has a document of its own, which bounds the way
// to it, and how many versions stay longer than they must.

const (
	// sharedBytes is the size from which on documents are shared. A smaller one takes no more than
	// the rest of its row, and comparing it would cost a replacement more than writing it.
	sharedBytes    = 1 << 10
	sharedVersions = 100
)

// shares reports whether the next version, with this document, shares that of the current one. The
// log must not have dropped any document that it may lead to.
func (r *row) shares(document []byte) bool {
	next := r.Version + 1
	return len(document) >= sharedBytes && !r.Absent &&
		next%sharedVersions != 0 && r.dropped < max(next-next%sharedVersions, 1) &&
		bytes.Equal(r.Bytes, document)
}

// lastOwn finds the newest row, at or below a row of the log, that doesn't share the document of
// the one before it; in vain if that was dropped.
var lastOwn = fmt.Sprintf(`
	from settings_log own
	where own.user_id = settings_log.user_id and own.version <= settings_log.version
	  and own.version > settings_log.version - %d
	  and (own.document is not null or own.size = 0)
	order by own.version desc
	limit 1`, sharedVersions)

var (
	// logged is the document of a row of the log, its own or a shared one; null: none, or dropped.
	logged = `coalesce(settings_log.document, case when settings_log.size > 0 then (
	    select own.document` + lastOwn + `) end)`
	// isDropped, of a row of the log: its document was dropped.
	isDropped = `(settings_log.size > 0 and settings_log.document is null and (
	    select own.document` + lastOwn + `) is null)`
)

// ownSize, of a row of the log: how many bytes it has itself, if they have not been dropped.
const ownSize = `case when log.document is not null then log.size else 0 end`
