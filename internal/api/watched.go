package api

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/pkg/messages"
)

// maxRecent is how many changes of a user are kept for watchers that have not been told yet. Whoever is further
// behind hears of these only.
const maxRecent = 16

// watched is a user whose changes are watched. The hub's lock is held for all that it does.
type watched struct {
	id           string
	subscription *nats.Subscription
	phase        int // in which it is checked
	watchers     []*watcher
	recent       []messages.Changed // by version

	reading bool // the document, for watchers that want it
	again   bool // it has changed meanwhile
}

// newest is the highest version that is known of, or -1.
func (u *watched) newest() int64 {
	if len(u.recent) == 0 {
		return -1
	}
	return u.recent[len(u.recent)-1].Version
}

// note keeps a change, and tells whether it was news.
func (u *watched) note(c messages.Changed) bool {
	i, known := slices.BinarySearchFunc(u.recent, c, func(a, b messages.Changed) int { return cmp.Compare(a.Version, b.Version) })
	if known || i == 0 && len(u.recent) == maxRecent {
		return false
	}
	if u.recent = slices.Insert(u.recent, i, c); len(u.recent) > maxRecent {
		u.recent = slices.Delete(u.recent, 0, 1)
	}
	return true
}

// spread wakes the watchers that have not been told of all that is known.
func (h *hub) spread(u *watched) {
	behind := false
	for _, w := range u.watchers {
		h.wake(w)
		behind = behind || w.started && w.whole && w.promised() < u.newest()
	}
	if behind {
		h.read(u)
	}
}

// read fetches the document for all watchers who want it, in one read for all. While one is under way the next waits.
func (h *hub) read(u *watched) {
	if u.again = u.reading; u.reading || h.closed {
		return
	}
	o := h.question(messages.ActionReadState, u)
	u.reading = h.reads.Go(&o, func(r messages.Result, err error) { h.wasRead(u, &r, err) }) == nil // else at the next check
}

// wasRead hands a document that was read to those who want it.
func (h *hub) wasRead(u *watched, r *messages.Result, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	u.reading = false
	if err != nil || r.Kind != "" {
		return // at the next check
	}
	told := stateOf(r)
	document := &documentEvent{told.Version, appendEvent(nil, told, documentOf(r))}
	for _, w := range u.watchers {
		if w.started && w.whole && w.promised() < told.Version {
			w.document = document
		}
	}
	u.note(told)
	for _, w := range u.watchers {
		h.wake(w)
	}
	if u.again {
		h.read(u)
	}
}

// question is a read of a watched user.
func (h *hub) question(action messages.Action, u *watched) messages.Operation {
	return messages.Operation{Action: action, User: u.id, Deadline: time.Now().Add(h.timeout).UnixMilli()}
}

// turn gives each user's watchers their heartbeats, and checks whether they have missed a change.
func (h *hub) turn(ctx context.Context) {
	tick := time.NewTicker(h.heartbeat / phases)
	defer tick.Stop()
	connections := h.nc.Stats().Reconnects
	for phase := 0; ; phase = (phase + 1) % phases {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		h.beat(phase)
		h.check(phase)
		if n := h.nc.Stats().Reconnects; n != connections { // what was published meanwhile is lost
			connections = n
			for phase := range phases {
				h.check(phase)
				wait(ctx, hurry)
			}
		}
	}
}

// beat wakes all watchers of a phase for their heartbeat.
func (h *hub) beat(phase int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, u := range slices.Clone(h.wheel[phase]) {
		for _, w := range slices.Clone(u.watchers) {
			if !w.started && time.Since(w.joined) > h.timeout+writeTimeout { // its connection broke before it was taken over
				h.remove(w)
				continue
			}
			w.beat = true
			h.wake(w)
		}
	}
}

// check asks for the versions of all users of a phase.
func (h *hub) check(phase int) {
	h.mu.Lock()
	users := slices.Clone(h.wheel[phase])
	h.mu.Unlock()
	for _, u := range users {
		o := h.question(messages.ActionReadNumber, u)
		_ = h.reads.Go(&o, func(r messages.Result, err error) { // a queue that is full has room another time
			if err == nil && r.Kind == "" {
				h.checked(u, stateOf(&r))
			}
		})
	}
}

func (h *hub) checked(u *watched, c messages.Changed) {
	h.mu.Lock()
	defer h.mu.Unlock()
	u.note(c)
	h.spread(u) // a read for it may have failed before
}

// stateOf is what a result that reads tells of the user's state.
func stateOf(r *messages.Result) messages.Changed {
	return messages.Changed{Version: r.Version, Modified: r.Modified, Absent: r.Absent}
}

// documentOf is the document that was read, or what stands for none.
func documentOf(r *messages.Result) []byte {
	if r.Absent || len(r.Document) == 0 {
		return []byte("{}")
	}
	return r.Document
}
