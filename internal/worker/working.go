package worker

import (
	"sync"
	"time"

	"github.com/outset-settings/outset/pkg/messages"
)

// provenFor is how long the database is taken to be there after it has answered. It is asked every
// second, and may take a second for that when it has much to do.
const provenFor = silentFor + checkEvery/2

// startTellingWorking tells the senders of requests that take long that the worker is at them,
// until stop is called. It is silent while the database is: another worker may reach it.
func (w *Worker) startTellingWorking() (stop func()) {
	tick, ended := time.NewTicker(messages.WorkingEvery), make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		for {
			select {
			case <-ended:
				return
			case now := <-tick.C:
				if w.silence.lasted() < provenFor {
					w.tellWorking(now)
				}
			}
		}
	})
	return func() {
		tick.Stop()
		close(ended)
		running.Wait()
	}
}

// tellWorking tells those who have heard nothing for half of the interval: who heard at the last
// tick does so at each.
func (w *Worker) tellWorking(now time.Time) {
	for _, e := range w.endpoints() {
		for _, t := range e.unanswered(now.Add(-messages.WorkingEvery / 2)) {
			e.respond(t.message, t.proof, messages.Reply{Working: true})
		}
	}
}

// unanswered returns the tasks whose senders have heard nothing since then, and notes that they do
// now.
func (e *endpoint) unanswered(since time.Time) (silent []*task) {
	e.tasksMu.Lock()
	defer e.tasksMu.Unlock()
	for t := range e.tasks {
		t.mu.Lock()
		if t.heard.Before(since) {
			t.heard = time.Now()
			silent = append(silent, t)
		}
		t.mu.Unlock()
	}
	return silent
}

// remember keeps a task until forget.
func (e *endpoint) remember(t *task) {
	e.tasksMu.Lock()
	defer e.tasksMu.Unlock()
	e.tasks[t] = struct{}{}
}

func (e *endpoint) forget(t *task) {
	e.tasksMu.Lock()
	defer e.tasksMu.Unlock()
	delete(e.tasks, t)
}
