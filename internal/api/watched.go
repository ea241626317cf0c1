package api

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/pkg/messages"
)

// maxRecent is how many changes of a user are kept for watchers that have not been told yet.
// Whoever is further behind hears of these only.
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
	failed  bool // it is among the hub's failed
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
	i, known := slices.BinarySearchFunc(u.recent, c, func(a, b messages.Changed) int {
		return cmp.Compare(a.Version, b.Version)
	})
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

// read fetches the document for all watchers who want it, in one read for all. While one is under
// way the next waits.
func (h *hub) read(u *watched) {
	if u.reading {
		u.again = true
		return
	}
	u.again = false
	if h.closed {
		return
	}
	o := h.question(messages.ActionRead, u)
	if h.reads.Go(&o, func(r messages.Result, err error) { h.wasRead(u, &r, err) }) != nil {
		h.fail(u)
		return
	}
	u.reading = true
}

// fail has a user checked again in the next phase, if there is room: a read has failed.
func (h *hub) fail(u *watched) {
	if !u.failed && len(h.failed) < maxFailed {
		u.failed = true
		h.failed = append(h.failed, u)
	}
}

// takeFailed returns those whose reads have failed, and who still have watchers.
func (h *hub) takeFailed() []*watched {
	h.mu.Lock()
	defer h.mu.Unlock()
	users := h.failed
	h.failed = nil
	for _, u := range users {
		u.failed = false
	}
	return slices.DeleteFunc(users, func(u *watched) bool { return len(u.watchers) == 0 })
}

// wasRead hands a document that was read to those who want it.
func (h *hub) wasRead(u *watched, r *messages.Result, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	u.reading = false
	if err != nil || r.Kind != "" {
		h.fail(u)
		return
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
	return messages.Operation{
		Action: action, User: u.id, Deadline: time.Now().Add(h.timeout).UnixMilli(),
	}
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
		h.check(append(h.takeFailed(), h.inPhase(phase)...))
		if n := h.nc.Stats().Reconnects; n != connections { // what was published meanwhile is lost
			connections = n
			for phase := range phases {
				h.check(h.inPhase(phase))
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
			// its connection broke before it was taken over
			if !w.started && time.Since(w.joined) > h.timeout+defaultTiming.write {
				h.remove(w)
				continue
			}
			w.beat = true
			h.wake(w)
		}
	}
}

func (h *hub) inPhase(phase int) []*watched {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.wheel[phase])
}

// check asks for the versions of users.
func (h *hub) check(users []*watched) {
	for _, u := range users {
		o := h.question(messages.ActionReadNumber, u)
		done := func(r messages.Result, err error) { h.checked(u, &r, err) }
		if err := h.reads.Go(&o, done); err != nil {
			done(messages.Result{}, err)
		}
	}
}

func (h *hub) checked(u *watched, r *messages.Result, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil || r.Kind != "" {
		h.fail(u)
		return
	}
	u.note(stateOf(r))
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
