package access

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// staticPrefix is how every static token begins, and no JWT.
	staticPrefix = "outset_"
	// A token that is revoked counts for so long at most, if the workers can be asked.
	staticEvery = 5 * time.Second
	staticRetry = time.Second
)

// Hash is the SHA-256 of a whole token.
type Hash = [sha256.Size]byte

// StaticToken is a token of a service, as it is stored.
type StaticToken struct {
	ID      string
	Hash    Hash
	Name    string
	Scopes  Scope
	App     string
	Expires time.Time // zero: never
}

// Source returns all static tokens that are valid.
type Source func(context.Context) ([]StaticToken, error)

// static has all static tokens in memory, so that an unknown one costs no round trip.
type static struct {
	*refresher

	list atomic.Pointer[map[Hash]*listed]

	mu   sync.Mutex
	used map[string]*atomic.Int64 // by id: when it was last used, in seconds since 1970
	told map[string]int64         // what TakeUsed has returned
}

type listed struct {
	identity Identity
	used     *atomic.Int64
}

func newStatic(source Source, log *slog.Logger) *static {
	s := &static{used: make(map[string]*atomic.Int64), told: make(map[string]int64)}
	s.refresher = newRefresher("the static tokens", log, func(ctx context.Context) error {
		tokens, err := source(ctx)
		if err == nil {
			s.take(tokens)
		}
		return err
	})
	s.every, s.retry = staticEvery, staticRetry
	return s
}

// take replaces the list.
func (s *static) take(tokens []StaticToken) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make(map[Hash]*listed, len(tokens))
	used, told := make(map[string]*atomic.Int64), make(map[string]int64)
	for _, t := range tokens {
		use := s.used[t.ID]
		if use == nil {
			use = new(atomic.Int64)
		}
		used[t.ID], told[t.ID] = use, s.told[t.ID]
		if t.App == "" {
			t.App = DefaultApp
		}
		list[t.Hash] = &listed{Identity{
			Kind: Service, Subject: t.Name, Token: t.ID, Scopes: t.Scopes, App: t.App,
			Expires: t.Expires, static: true,
		}, use}
	}
	s.used, s.told = used, told
	s.list.Store(&list)
}

// find returns whose token it is. One that isn't listed may be new, so the source is read again.
func (s *static) find(ctx context.Context, h Hash, now time.Time) (*Identity, error) {
	var found *listed
	look := func() bool {
		if list := s.list.Load(); list != nil {
			found = (*list)[h]
		}
		return found != nil
	}
	if !look() {
		if err := s.until(ctx, look, RefusedError{Unknown, "it is unknown or revoked"}); err != nil {
			return nil, err
		}
	}
	if e := found.identity.Expires; !e.IsZero() && !now.Before(e) {
		return nil, errExpired
	}
	if second := now.Unix(); found.used.Load() != second {
		found.used.Store(second)
	}
	return &found.identity, nil
}

// lists tells whether the token with this id is valid still.
func (s *static) lists(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.used[id]
	return ok
}

// takeUsed returns when tokens were last used, of those that were since the last call.
func (s *static) takeUsed() map[string]time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[string]time.Time)
	for id, use := range s.used {
		if second := use.Load(); second > s.told[id] {
			s.told[id] = second
			all[id] = time.Unix(second, 0)
		}
	}
	return all
}
