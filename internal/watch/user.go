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
	recent       []messages.Changed // by version, ascending

	reading bool // the document is being read
	failed  bool // the user is in the hub's failed
}

// newest returns the highest known version, or -1.
func (u *user) newest() int64 {
	if len(u.recent) == 0 {
		return -1
	}
	return u.recent[len(u.recent)-1].Version
}

// add keeps a change, unless it is kept already, or older than all and there are maxRecent.
func (u *user) add(c messages.Changed) {
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

// wantsDocument tells whether a watcher wants a newer document than the one that it has.
func (u *user) wantsDocument() bool {
	return slices.ContainsFunc(u.watchers, func(w *Watcher) bool {
		return w.started && w.documents && w.latest() < u.newest()
	})
}

// giveDocument gives the event with the document to the watchers who want it.
func (u *user) giveDocument(e *documentEvent) {
	for _, w := range u.watchers {
		if w.started && w.documents && w.latest() < e.version {
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
