package watch

import (
	"cmp"
	"slices"

	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/pkg/messages"
)

// maxRecent is how many changes of a user are kept for watchers that have not been told yet. A
// watcher that is further behind hears of these only.
const maxRecent = 16

// user is a user whose changes are watched.
type user struct {
	id           string
	subscription *nats.Subscription
	phase        int // of the heartbeat, in which it is checked
	watchers     []*Watcher
	recent       []messages.Changed // by version

	reading bool // the document is being read
	failed  bool // it is among the hub's failed
}

// newest is the highest version that is known of, or -1.
func (u *user) newest() int64 {
	if len(u.recent) == 0 {
		return -1
	}
	return u.recent[len(u.recent)-1].Version
}

// add keeps a change, unless it is known or older than all that are kept.
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

// wantsDocument tells whether a watcher waits for a document that is newer than the one it has.
func (u *user) wantsDocument() bool {
	return slices.ContainsFunc(u.watchers, func(w *Watcher) bool {
		return w.started && w.documents && w.latest() < u.newest()
	})
}

// giveDocument has the event with the document sent to those who want it.
func (u *user) giveDocument(e *documentEvent) {
	for _, w := range u.watchers {
		if w.started && w.documents && w.latest() < e.version {
			w.document = e
		}
	}
}

// wake has each watcher write what is new to it.
func (u *user) wake() {
	for _, w := range u.watchers {
		w.wake()
	}
}
