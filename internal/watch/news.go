package watch

import (
	"context"
	"slices"
	"time"

	"github.com/outset-settings/outset/pkg/messages"
)

const (
	// catchUpPause is the pause between two phases when all users are checked at once.
	catchUpPause = 25 * time.Millisecond
	// maxFailed bounds how many users are checked again in the next phase. During an outage all
	// checks fail; the others wait for their own phase.
	maxFailed = 256
)

// listen handles the notifications.
func (h *Hub) listen(ctx context.Context) {
	for {
		select {
		case m := <-h.notifications:
			c, err := messages.DecodeChanged(m.Data)
			if err != nil {
				h.log.Warn("a notification can't be read", "subject", m.Subject, "error", err)
				continue
			}
			h.mu.Lock()
			if u, ok := h.users[m.Subject]; ok {
				h.tell(u, c)
			}
			h.mu.Unlock()
		case <-ctx.Done():
			return
		}
	}
}

// keepTime sends the heartbeats, and checks each user once in a heartbeat for changes whose
// notification was lost.
func (h *Hub) keepTime(ctx context.Context) {
	tick := time.NewTicker(h.config.Heartbeat / phases)
	defer tick.Stop()
	reconnects := h.nc.Stats().Reconnects
	for phase := 0; ; phase = (phase + 1) % phases {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		h.beat(phase)
		h.check(append(h.takeFailed(), h.inPhase(phase)...))
		if n := h.nc.Stats().Reconnects; n != reconnects { // what was published in between is lost
			reconnects = n
			h.checkAll(ctx)
		}
	}
}

func (h *Hub) inPhase(phase int) []*user {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.byPhase[phase])
}

// checkAll checks all users, phase by phase.
func (h *Hub) checkAll(ctx context.Context) {
	for phase := range phases {
		h.check(h.inPhase(phase))
		select {
		case <-time.After(catchUpPause):
		case <-ctx.Done():
			return
		}
	}
}

// check reads the versions of users.
func (h *Hub) check(users []*user) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, u := range users {
		h.read(u, messages.ActionReadNumber, func(r *messages.Result) { h.tell(u, stateOf(r)) })
	}
}

// tell handles each change of a user, whether a notification, a check or a new watcher has brought
// it. Each watcher gets what is new to it. Those who want documents get them after a read.
func (h *Hub) tell(u *user, c messages.Changed) {
	u.add(c)
	if u.wantsDocument() { // also where a read for an earlier change has failed
		h.readDocument(u)
	}
	u.wake()
}

// readDocument reads a user's document, once for all watchers who want it and all changes that are
// known when it begins. For changes that arrive meanwhile it reads once more.
func (h *Hub) readDocument(u *user) {
	if u.reading {
		return
	}
	known := u.newest()
	u.reading = h.read(u, messages.ActionRead, func(r *messages.Result) {
		state := stateOf(r)
		u.add(state)
		u.giveDocument(&documentEvent{state.Version, appendEvent(nil, state, documentOf(r))})
		if u.newest() > known && u.wantsDocument() {
			h.readDocument(u)
		}
		u.wake()
	})
}

// read starts a read of a user, and calls use with the result. The hub is locked in both calls.
// After a failure the user is checked again in the next phase. read returns whether the read was
// started.
func (h *Hub) read(u *user, action messages.Action, use func(*messages.Result)) bool {
	o := messages.Operation{
		Action: action, User: u.id, Deadline: time.Now().Add(h.config.ReadTimeout).UnixMilli(),
	}
	err := h.reader.Go(&o, func(r messages.Result, err error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if action == messages.ActionRead {
			u.reading = false
		}
		if err != nil || r.Kind != "" {
			h.fail(u)
			return
		}
		use(&r)
	})
	if err != nil {
		h.fail(u)
	}
	return err == nil
}

// fail marks a user for another check in the next phase, unless too many are marked already.
func (h *Hub) fail(u *user) {
	if !u.failed && len(h.failed) < maxFailed {
		u.failed = true
		h.failed = append(h.failed, u)
	}
}

// takeFailed returns the users whose reads have failed and who still have watchers.
func (h *Hub) takeFailed() []*user {
	h.mu.Lock()
	defer h.mu.Unlock()
	users := h.failed
	h.failed = nil
	for _, u := range users {
		u.failed = false
	}
	return slices.DeleteFunc(users, func(u *user) bool { return len(u.watchers) == 0 })
}

// stateOf returns the user's state in a result.
func stateOf(r *messages.Result) messages.Changed {
	return messages.Changed{Version: r.Version, Modified: r.Modified, Absent: r.Absent}
}

// documentOf returns the document that was read, or {} for none.
func documentOf(r *messages.Result) []byte {
	if r.Absent || len(r.Document) == 0 {
		return []byte("{}")
	}
	return r.Document
}
