package api

import (
	"sync"
	"time"
)

// stopPatience is how long a stream's client may take, once the API stops, for what is being sent,
// and then for all that is left. Together it is less than stopTimeout.
const stopPatience = 1500 * time.Millisecond

// streams are those under way, so that none of them keeps the API from stopping.
type streams struct {
	mu       sync.Mutex
	stopping bool
	open     map[*lines]struct{}
}

// add takes a stream in until its remove.
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

// stop has all streams end soon, those that have yet to begin, too.
func (s *streams) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopping = true
	for l := range s.open {
		l.deadline.hasten()
	}
}

// deadline is until when a stream waits for its client. set is SetWriteDeadline of the connection,
// and called with the lock held, so that no write that begins takes back what was set at the stop.
type deadline struct {
	set func(time.Time) error

	mu     sync.Mutex
	hasty  bool
	ending time.Time // no write goes on after this, if it is set
}

// next sets the deadline of the next write.
func (d *deadline) next() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	if !d.hasty {
		return d.set(now.Add(streamTimeout))
	}
	// only now: what came before the first write, as an import's attempts, may have taken long
	if d.ending.IsZero() {
		d.ending = now.Add(stopPatience)
	}
	return d.set(d.ending)
}

// hasten gives the write that is under way a last deadline.
func (d *deadline) hasten() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hasty = true
	_ = d.set(time.Now().Add(stopPatience)) // fails where the connection is away
}
