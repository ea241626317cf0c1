package access

import "sync"

// Places bounds what each user has of something at a time, so that one user can't take what is
// there for all. It bounds neither services, which act for many users, nor who has no token.
type Places struct {
	most int

	mu    sync.Mutex
	taken map[string]int // by the user's id
}

// NewPlaces returns so many places for each user.
func NewPlaces(most int) *Places { return &Places{most: most, taken: make(map[string]int)} }

// Take takes a place, and returns a function that gives it back, of which only the first call has
// an effect. It returns false if the user has all of theirs.
func (p *Places) Take(id *Identity) (release func(), ok bool) {
	if id.Kind != User {
		return func() {}, true
	}
	return p.take(id.Subject)
}

func (p *Places) take(whose string) (release func(), ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken[whose] >= p.most {
		return nil, false
	}
	p.taken[whose]++
	return sync.OnceFunc(func() { p.release(whose) }), true
}

// TakeToken takes a place of the token, whoever has it: it bounds services, too. Who has no token
// isn't bounded.
func (p *Places) TakeToken(id *Identity) (release func(), ok bool) {
	if id.Kind == Anonymous {
		return func() {}, true
	}
	return p.take(id.Kind.String() + "\x00" + id.Subject + "\x00" + id.Token)
}

func (p *Places) release(user string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken[user]--; p.taken[user] == 0 {
		delete(p.taken, user)
	}
}
