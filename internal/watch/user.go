package watch

import (
	"cmp"
	"slices"

	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/pkg/messages"
)

// maxRecent is how many changes of a user are kept for watchers that have not got them yet. A
// watcher that is further behind gets only these.
const maxRecent = 16

// user is a user whose changes are watched.
type user struct {
	id           string
	subscription *nats.Subscription
	phase        int // the phase of the heartbeat in which the user is checked
	watchers     []*Watcher

	known  bool               // state is
	state  messages.Changed   // what the database said last
	recent []messages.Changed // earlier versions, ascending; at most maxRecent
	starts int                // how often a watcher has brought the state

	// hints are the notifications that no read has confirmed yet, at most maxRecent: the next read
	// shows where versions are now, and these only tell of those in between.
	hints   []messages.Changed
	lies    int  // hints of this phase that the database knew nothing of
	due     bool // the user is in the hub's due
	reading bool // the state is being read
	again   bool // it is to be read once more afterwards
	failed  bool // the user is in the hub's failed
}

// hint keeps a notification until the next read.
func (u *user) hint(c messages.Changed) {
	if len(u.hints) < maxRecent {
		u.hints = append(u.hints, c)
	}
}

// start takes over the state that a new watcher has read for itself, if it is news. Otherwise
// either the watcher has read it before the hub did, or the database was restored: returns true if
// another read is to tell.
func (u *user) start(state messages.Changed) (doubtful bool) {
	if u.isNews(state) {
		u.starts++
		u.set(state)
	}
	return u.state.Tag() != state.Tag()
}

// isNews tells whether the state is later than what the database said last: by its number, or by
// its time, since a database that was restored gives numbers again.
func (u *user) isNews(state messages.Changed) bool {
	return !u.known || state.Version > u.state.Version || state.Modified > u.state.Modified
}

// learn takes over what a read has brought, and returns true, unless the state was read by a
// watcher meanwhile and is later.
func (u *user) learn(state messages.Changed, a asked) bool {
	for _, c := range a.hints {
		if c.Version > state.Version || c.Modified > state.Modified {
			u.lies++
		}
	}
	if u.known && state.Tag() != u.state.Tag() && !u.isNews(state) && u.starts != a.starts {
		u.again = true
		return false
	}
	u.set(state)
	for _, c := range slices.Concat(a.hints, u.hints) {
		if c.Version < state.Version {
			u.keep(c)
		}
	}
	u.hints = slices.DeleteFunc(u.hints, func(c messages.Changed) bool {
		return c.Version <= state.Version
	})
	return true
}

// set makes this the state. The database is right, also if its version has gone back.
func (u *user) set(state messages.Changed) {
	switch {
	case u.known && state.Version > u.state.Version:
		u.keep(u.state)
	case state.Tag() != u.state.Tag():
		u.recent = nil
	}
	u.state, u.known = state, true
}

// keep keeps an earlier version, unless it is kept already, or older than all and there are
// maxRecent.
func (u *user) keep(c messages.Changed) {
	i, known := slices.BinarySearchFunc(u.recent, c, func(a, b messages.Changed) int {
		return cmp.Compare(a.Version, b.Version)
	})
	if known || i == 0 && len(u.recent) == maxRecent {
		return
	}
	if u.recent = slices.Insert(u.recent, i, c); len(u.recent) > maxRecent {
		u.recent = slices.Delete(u.recent, 0, 1)
	}
}

// appendSince appends the events for all that came after a version, the state last. Where the
// version is later than the state, that is all.
func (u *user) appendSince(b []byte, version int64) []byte {
	for _, c := range u.recent {
		if version < c.Version && c.Version < u.state.Version {
			b = appendEvent(b, c, nil)
		}
	}
	return appendEvent(b, u.state, nil)
}

// wantsDocument tells whether a watcher wants another document than the one that it has, or would
// if the hints are true.
func (u *user) wantsDocument(hinted bool) bool {
	return slices.ContainsFunc(u.watchers, func(w *Watcher) bool {
		return w.started && w.documents && (hinted || w.latest() != u.state.Tag())
	})
}

// giveDocument gives the event with the document to the watchers who want it.
func (u *user) giveDocument(e *documentEvent) {
	for _, w := range u.watchers {
		if w.started && w.documents && w.latest() != e.tag {
			w.document = e
		}
	}
}

// wake makes each watcher write what is new to it.
func (u *user) wake() {
	for _, w := range u.watchers {
		w.wake()
	}
}
