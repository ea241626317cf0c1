package api

import (
	"sync"
	"time"
)

// streamStopTimeout is how long a stream's client may take, once the API stops, to receive the
// chunk that is being sent, and then once more for all the rest. Both together are less than
// stopTimeout.
const streamStopTimeout = 1500 * time.Millisecond

// streams has all open streams, so that none of them delays a stop of the API.
type streams struct {
	mu       sync.Mutex
	stopping bool
	open     map[*lines]struct{}
}

// add adds a stream until its remove.
func (s *streams) add(l *lines) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = make(map[*lines]struct{})
	}
	if s.open[l] = struct{}{}; s.stopping {
		l.deadline.hasten()
	}
}

func (s *streams) remove(l *lines) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, l)
}

// stop makes all streams end soon, including those that are added later.
func (s *streams) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopping = true
	for l := range s.open {
		l.deadline.hasten()
	}
}

// deadline is the write deadline of a stream. set is the connection's SetWriteDeadline. It is
// called with the lock held, so that a new write never overrides the deadline that a stop has set.
type deadline struct {
	set func(time.Time) error

	mu     sync.Mutex
	hasty  bool
	ending time.Time // unless zero, the deadline of all further writes
}

// next sets the deadline of the next write.
func (d *deadline) next() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	if !d.hasty {
		return d.set(now.Add(streamTimeout))
	}
	// It counts from the first write after the stop: what came before, such as the retries of an
	// import, may have taken long.
	if d.ending.IsZero() {
		d.ending = now.Add(streamStopTimeout)
	}
	return d.set(d.ending)
}

// hasten shortens the deadline of the current write, and of all that follow.
func (d *deadline) hasten() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hasty = true
	_ = d.set(time.Now().Add(streamStopTimeout)) // fails if the connection is gone
}
