package store

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/outset-settings/outset/internal/settings"
)

// errErased: the write may repeat one that was applied and erased since, whose id is no longer in
// the log.
var errErased = errors.New("issued before the user was erased")

// apply computes in memory what one write does. It looks up the id before it checks anything else,
// even the deadline: a write that was applied in time stays applied.
func (t *transaction) apply(w *Write) Written {
	k := operationKey{w.User, w.ID}
	if earlier, ok := t.applied[k]; ok {
		if !bytes.Equal(earlier.fingerprint, w.Fingerprint) {
			return Written{Err: ErrIDReused}
		}
		return Written{Document: earlier.Document, Created: earlier.created, Replayed: true}
	}
	r := t.rows[w.User]
	next, err := t.judge(r, w)
	if err != nil {
		return t.refuse(r, w, err)
	}
	r.previous = r.Modified
	shared, added := r.shares(next.Document), counted(next.Document)
	if shared {
		added = versionOverhead
	}
	r.Document, r.changed = newDocument(r.Version+1, next.Document, t.now), true
	r.replaced = r.replaced || !shared
	if w.Erase {
		t.erase(w.User, r)
		r.written = 0 // how much they had stored is forgotten, too
	}
	r.written += added
	e := logEntry{
		operationKey: k, Document: r.Document, fingerprint: w.Fingerprint,
		operation: w.Operation, restored: w.Restore, actor: w.Actor, created: next.Created,
		written: r.written, shared: shared,
	}
	t.applied[k] = e
	t.log = append(t.log, e)
	t.deadline = earlier(t.deadline, w.Deadline)
	return Written{
		Document: r.Document, Created: next.Created, added: added, written: r.written,
	}
}

// judge returns what the write makes of the row, or why it is refused. The row is nil if another
// transaction has locked it, or has deleted it while we waited for a lock.
func (t *transaction) judge(r *row, w *Write) (settings.Next, error) {
	switch {
	case w.Wrong != nil:
		return settings.Next{}, w.Wrong
	case !w.Deadline.IsZero() && !t.now.Before(w.Deadline):
		return settings.Next{}, ErrExpired
	case r == nil:
		return settings.Next{}, errPostponed
	case r.erasedSince(w):
		return settings.Next{}, fmt.Errorf("%w: %w", ErrUnavailable, errErased)
	}
	next, err := t.next(r, w)
	if err == nil && next.Document == nil && r.Version == 0 { // and leave no row behind
		err = fmt.Errorf("%w: there has never been anything to delete", settings.ErrNotFound)
	}
	// Not found takes precedence over the condition (RFC 9110 section 13.2.1).
	if err == nil || !errors.Is(err, settings.ErrNotFound) {
		if !w.If.Holds(r.state(w)) {
			return settings.Next{}, settings.ErrPrecondition
		}
	}
	if err == nil && next.Document != nil {
		err = w.check(next.Document, t.schema)
	}
	if err == nil && t.fenced[fenceOf(w)] {
		err = errFenced
	}
	return next, err
}

// refuse returns the outcome of a write that isn't applied.
func (t *transaction) refuse(r *row, w *Write, err error) Written {
	refused := Written{Err: err}
	if errors.Is(err, settings.ErrPrecondition) {
		refused.Document = r.Document
	}
	switch {
	case !w.Again || w.Issued.IsZero() || errors.Is(err, errErased):
	case r == nil: // an earlier attempt may have locked it
		return Written{Err: errPostponed}
	default:
		t.fence(fenceOf(w))
		refused.Fenced = true
	}
	return refused
}

// state returns what the condition of w is checked against.
func (r *row) state(w *Write) settings.State {
	s := settings.State{
		Version: r.Version, Absent: r.Absent, Modified: r.Modified, Previous: r.previous,
	}
	if w.If != nil && w.Path != nil {
		_, err := settings.Value(r.Bytes, w.Path)
		s.NoValue = err != nil
	}
	return s
}

// erasedSince reports whether w may have been applied before the user was erased. If it is this
// transaction that erases the user, the ids in the log answer that exactly.
func (r *row) erasedSince(w *Write) bool {
	if w.Issued.IsZero() {
		return false
	}
	if !r.erasedAt.IsZero() && !r.erasedAt.Before(w.Issued) {
		return true
	}
	return r.erasure != nil && r.erasure.found[operationKey{w.User, w.ID}]
}

// next returns the document that the write makes.
func (t *transaction) next(r *row, w *Write) (settings.Next, error) {
	switch {
	case w.Replace != nil:
		return settings.Next{Document: w.Replace}, nil
	case w.Erase:
		return settings.Next{}, nil
	case w.Restore != 0:
		return t.restored(r, w)
	default:
		return w.Change(r.Bytes)
	}
}

// restored finds the version to restore: in the log, or in what this transaction adds to it.
func (t *transaction) restored(r *row, w *Write) (settings.Next, error) {
	d, ok := t.versions[versionKey{w.User, w.Restore}]
	for i := range t.log {
		if e := &t.log[i]; e.user == w.User && e.Version == w.Restore {
			d, ok = e.Document, true
		}
	}
	if r.Version == w.Restore {
		d, ok = r.Document, true
	}
	switch {
	case !ok || w.Restore <= r.erasedVersion:
		return settings.Next{}, fmt.Errorf("%w: version %d is not in the history",
			settings.ErrNotFound, w.Restore)
	case d.Dropped:
		return settings.Next{}, droppedError(w.Restore)
	case d.Absent:
		return settings.Next{}, nil
	default:
		return settings.Next{Document: d.Bytes}, nil
	}
}

// erase removes the user's entries from the log, those of this transaction included. Entries of
// earlier erasures stay. The row has the version of this erasure already.
func (t *transaction) erase(user string, r *row) {
	if r.erasure == nil {
		r.erasure = &erasure{
			above: r.erasedVersion, upTo: r.Version - 1, found: make(map[operationKey]bool),
		}
	}
	for k, e := range t.applied {
		if k.user == user && e.Version > r.erasedVersion {
			r.erasure.found[k], t.forgotten[k] = true, true
			delete(t.applied, k)
		}
	}
	kept := t.log[:0]
	for _, e := range t.log {
		if e.user != user || e.Version <= r.erasedVersion {
			kept = append(kept, e)
		}
	}
	t.log = kept
	r.erasedVersion, r.previous = r.Version, r.Modified
}
