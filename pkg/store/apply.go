package store

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/outset-settings/outset/internal/settings"
)

// errErased is why a write is refused that may be a repetition of one that was applied and
// erased since: its id is no longer in the log.
var errErased = errors.New("issued before the user was erased")

// apply computes what one operation does, in memory. The log is asked before
// anything else is judged, the deadline included: what was applied in time stays so.
func (s *state) apply(w *Write) Written {
	k := key{w.User, w.ID}
	if earlier, ok := s.applied[k]; ok {
		if !bytes.Equal(earlier.fingerprint, w.Fingerprint) {
			return Written{Err: ErrIDReused}
		}
		return Written{Document: earlier.Document, Created: earlier.created, Replayed: true}
	}
	if w.Wrong != nil {
		return Written{Err: w.Wrong}
	}
	if !w.Deadline.IsZero() && !s.now.Before(w.Deadline) {
		return Written{Err: ErrExpired}
	}
	r := s.rows[w.User]
	if r == nil { // passed over, or deleted while we waited for another
		return Written{Err: errHeld}
	}
	if r.erasedSince(w) {
		return Written{Err: fmt.Errorf("%w: %w", ErrUnavailable, errErased)}
	}
	next, err := s.next(r, w)
	// What isn't there isn't, whatever the condition (RFC 9110 section 13.2.1).
	if err == nil || !errors.Is(err, settings.ErrNotFound) {
		if !w.If.Holds(r.state(w)) {
			return Written{Document: r.Document, Err: settings.ErrPrecondition}
		}
	}
	if err == nil && next.Document != nil {
		err = w.judge(next.Document, s.schema)
	}
	if err != nil {
		return Written{Err: err}
	}

	r.Document, r.changed = newDocument(r.Version+1, next.Document, s.now), true
	if w.Erase {
		s.erase(w.User, r)
	}
	e := entry{
		key: k, Document: r.Document, fingerprint: w.Fingerprint, operation: w.Operation,
		created: next.Created,
	}
	s.applied[k] = e
	s.log = append(s.log, e)
	s.until = earlier(s.until, w.Deadline)
	return Written{Document: r.Document, Created: next.Created}
}

// state is what the condition of w is about.
func (r *row) state(w *Write) settings.State {
	s := settings.State{Version: r.Version, Absent: r.Absent, Modified: r.Modified}
	if w.If != nil && w.Path != nil {
		_, err := settings.Value(r.Bytes, w.Path)
		s.NoValue = err != nil
	}
	return s
}

// erasedSince tells whether w may have been applied before the user was erased. Those that
// share a transaction with the erasure are known: their ids were in the log.
func (r *row) erasedSince(w *Write) bool {
	if w.Issued.IsZero() {
		return false
	}
	if !r.erasedAt.IsZero() && !r.erasedAt.Before(w.Issued) {
		return true
	}
	return r.erases != nil && r.erases.ids[key{w.User, w.ID}]
}

// next is what the operation makes of the document.
func (s *state) next(r *row, w *Write) (settings.Next, error) {
	switch {
	case w.Replace != nil:
		return settings.Next{Document: w.Replace}, nil
	case w.Erase:
		return settings.Next{}, nil
	case w.Restore != 0:
		return s.restored(r, w)
	default:
		return w.Change(r.Bytes)
	}
}

// restored finds an earlier version: in what the log has, or in what this transaction adds to it.
func (s *state) restored(r *row, w *Write) (settings.Next, error) {
	d, ok := s.earlier[place{w.User, w.Restore}]
	for i := range s.log {
		if e := &s.log[i]; e.user == w.User && e.Version == w.Restore {
			d, ok = e.Document, true
		}
	}
	if r.Version == w.Restore { // which is there whether or not the log still has it
		d, ok = r.Document, true
	}
	switch {
	case !ok || w.Restore <= r.tombstones:
		return settings.Next{}, fmt.Errorf("%w: version %d is not in the history",
			settings.ErrNotFound, w.Restore)
	case d.Absent:
		return settings.Next{}, nil
	default:
		return settings.Next{Document: d.Bytes}, nil
	}
}

// erase forgets whatever the log has of the user, or would get with this commit, but what
// is left of earlier erasures. The row has the erasure's own version by now.
func (s *state) erase(user string, r *row) {
	if r.erases == nil {
		r.erases = &erasure{above: r.tombstones, ids: make(map[key]bool)}
	}
	for k, e := range s.applied {
		if k.user == user && e.Version > r.tombstones {
			r.erases.ids[k] = true
			delete(s.applied, k)
		}
	}
	kept := s.log[:0]
	for _, e := range s.log {
		if e.user != user || e.Version <= r.tombstones {
			kept = append(kept, e)
		}
	}
	s.log = kept
	r.tombstones = r.Version
}
