package access

import "sync"

// Shares divides something of which there is a limited amount, such as bytes or places, among
// principals. None may hold more than it leaves free: one alone gets half, a second one a quarter.
// So whatever one takes, there is something for the next, and no constant has to fit both one
// client and the hundreds behind one address.
type Shares struct {
	mu   sync.Mutex
	free int64
	held map[string]int64
}

// NewShares returns so much to be divided.
func NewShares(most int64) *Shares { return &Shares{free: most, held: make(map[string]int64)} }

// Take takes n for the principal, or nothing and returns false. The principal "" is for those that
// stand for many, as a proxy does: it gets all that is free.
func (s *Shares) Take(who string, n int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n > s.free || who != "" && s.held[who]+n > s.free {
		return false
	}
	s.free -= n
	s.held[who] += n
	return true
}

// Release gives back what was taken.
func (s *Shares) Release(who string, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free += n
	if s.held[who] -= n; s.held[who] == 0 {
		delete(s.held, who)
	}
}

// Held is how much is taken.
func (s *Shares) Held() (n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.held {
		n += h
	}
	return n
}
