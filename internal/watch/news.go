package watch

import (
	"context"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"github.com/outset-settings/outset/pkg/messages"
)

const (
	// catchUpPause is the pause between two phases when all users are checked at once.
	catchUpPause = 25 * time.Millisecond
	// maxFailed bounds how many users are checked again in the next phase. During an outage all
	// checks fail; the others wait for their own phase.
	maxFailed = 256
	// maxLies is how many hints of a user may turn out wrong before further ones wait for the next
	// phase: a flood of made-up changes costs that many reads of a user.
	maxLies = 8
)

// listen handles the notifications.
func (h *Hub) listen(ctx context.Context) {
	sometimes := rate.Sometimes{First: 10, Interval: time.Second}
	for {
		select {
		case m := <-h.notifications:
			h.config.Metrics.notifications.Inc()
			c, err := messages.DecodeChanged(m.Data)
			if err != nil {
				sometimes.Do(func() {
					h.log.Warn("a notification can't be read", "subject", m.Subject, "error", err)
				})
				continue
			}
			h.mu.Lock()
			if u, ok := h.users[m.Subject]; ok {
				h.hint(u, c)
			}
			h.mu.Unlock()
		case <-ctx.Done():
			return
		}
	}
}

// hint handles a notification: the state is read if that may be news.
func (h *Hub) hint(u *user, c messages.Changed) {
	if !u.isNews(c) {
		return
	}
	u.hint(c)
	h.follow(u)
}

// follow has a user read of whom there are hints that no read under way will confirm.
func (h *Hub) follow(u *user) {
	switch {
	case len(u.hints) == 0 || u.reading:
	case u.lies < maxLies:
		h.ask(u)
	default:
		h.fail(u)
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

// check has the states of users read.
func (h *Hub) check(users []*user) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, u := range users {
		u.lies = 0
		h.ask(u)
	}
}

// ask has a user's state read when it is their turn. While it is being read it is read once more
// afterwards.
func (h *Hub) ask(u *user) {
	switch {
	case u.reading:
		u.again = true
	case !u.due:
		u.due = true
		h.due = append(h.due, u)
		h.readDue()
	}
}

// readDue begins reads as long as there may be more of them.
func (h *Hub) readDue() {
	for len(h.due) > 0 && h.reads < maxReads {
		u := h.due[0]
		h.due[0] = nil
		h.due = h.due[1:]
		u.due = false
		if len(u.watchers) > 0 {
			h.read(u)
		}
	}
}

// read reads a user's state, with the document if a watcher is known to want it.
func (h *Hub) read(u *user) {
	action := messages.ActionReadNumber
	if u.wantsDocument(len(u.hints) > 0) {
		action = messages.ActionRead
	}
	o := messages.Operation{
		Action: action, User: u.id, Deadline: h.reader.Deadline(h.config.ReadTimeout),
		Principal: messages.PrincipalOf("user:" + u.id), // as of a request of the user's own
	}
	a := asked{u.hints, u.starts}
	u.hints, u.again, u.reading = nil, false, true
	h.reads++
	h.reader.Go(&o, func(r messages.Result) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if r.Kind != "" {
			h.unanswered(u, a)
		} else {
			h.answered(u, a, action, &r)
		}
		h.readDue()
	})
}

// asked is what was known of a user when a read began.
type asked struct {
	hints  []messages.Changed
	starts int
}

// unanswered handles a read that failed: the user is read again in the next phase.
func (h *Hub) unanswered(u *user, a asked) {
	u.reading = false
	h.reads--
	hints := slices.Concat(a.hints, u.hints)
	u.hints = hints[:min(len(hints), maxRecent)]
	h.fail(u)
}

// answered handles the result of a read.
func (h *Hub) answered(u *user, a asked, action messages.Action, r *messages.Result) {
	u.reading = false
	h.reads--
	if state := stateOf(r); u.learn(state, a) {
		if action == messages.ActionRead {
			u.giveDocument(&documentEvent{
				state.Tag(), appendEvent(nil, state, documentOf(r)),
			})
		}
		u.wake()
	}
	if u.again || u.wantsDocument(false) {
		h.ask(u)
	}
	h.follow(u)
}

// fail marks a user for a read in the next phase, unless too many are marked already.
func (h *Hub) fail(u *user) {
	if !u.failed && len(h.failed) < maxFailed {
		u.failed = true
		h.failed = append(h.failed, u)
	}
}

// takeFailed returns the users who are to be read again and still have watchers.
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
