package access_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/outset-settings/outset/internal/access"
)

// store is where static tokens are kept.
type store struct {
	mu     sync.Mutex
	tokens []access.StaticToken
	err    error
	lists  int
}

func (s *store) list(context.Context) ([]access.StaticToken, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lists++
	return append([]access.StaticToken(nil), s.tokens...), s.err
}

func (s *store) set(err error, tokens ...access.StaticToken) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens, s.err = tokens, err
}

func staticToken(id string, scopes access.Scope) ([]byte, access.StaticToken) {
	text := "outset_" + id + "_" + strings.Repeat("s", 43)
	return []byte(text), access.StaticToken{
		ID: id, Hash: sha256.Sum256([]byte(text)), Name: "name of " + id, Scopes: scopes,
	}
}

// TestStaticTokens: they count from when they are made until they are revoked or expire.
func TestStaticTokens(t *testing.T) {
	t.Parallel()
	var s store
	now := time.Now()
	first, firstToken := staticToken("first", access.SettingsRead)
	s.set(nil, firstToken)
	a := run(t, access.Config{Static: s.list}, func(a *access.Authenticator) {
		a.Pace(5*time.Millisecond, time.Millisecond)
		a.SetNow(func() time.Time { return now })
	})
	ctx := t.Context()
	id, err := a.Authenticate(ctx, first)
	if err != nil || id.Kind != access.Service || id.Subject != "name of first" || id.Token != "first" ||
		id.Scopes != access.SettingsRead || id.App != access.DefaultApp || !id.Expires.IsZero() || !a.Valid(id) {
		t.Fatalf("%+v, %v", id, err)
	}

	second, secondToken := staticToken("second", access.Admin)
	secondToken.Expires = now.Add(time.Minute)
	s.set(nil, firstToken, secondToken)
	if id, err := a.Authenticate(ctx, second); err != nil || id.Scopes != access.Admin {
		t.Fatalf("a new one: %+v, %v", id, err)
	}
	used := a.TakeUsed()
	if len(used) != 2 || used["first"].Unix() != now.Unix() {
		t.Errorf("used are %v", used)
	}
	if used := a.TakeUsed(); len(used) != 0 {
		t.Errorf("used are still %v", used)
	}

	s.set(errors.New("no worker"))
	for range 100 {
		if _, err := a.Authenticate(ctx, first); err != nil {
			t.Fatalf("while the workers are away: %v", err)
		}
	}
	s.set(nil, secondToken)
	eventually(t, "it is revoked", func() bool {
		_, err := a.Authenticate(ctx, first)
		return err != nil
	})
	if a.Valid(id) {
		t.Error("its streams go on")
	}
	now = now.Add(time.Minute)
	if _, err := a.Authenticate(ctx, second); err == nil {
		t.Error("one that has expired counts")
	}
	for _, wrong := range []string{
		"outset_", "outset_second_", string(second) + "s", string(second[:len(second)-1]), "OUTSET" + string(second[6:]),
	} {
		if id, err := a.Authenticate(ctx, []byte(wrong)); err == nil {
			t.Errorf("%s is %+v", wrong, id)
		}
	}
}

// TestNoListYet: before the first reading nobody can tell whether a token is good.
func TestNoListYet(t *testing.T) {
	t.Parallel()
	var s store
	s.set(errors.New("no worker"))
	a := run(t, access.Config{Static: s.list})
	text, token := staticToken("one", access.Admin)
	if _, err := a.Authenticate(t.Context(), text); !errors.Is(err, access.ErrUnavailable) {
		t.Errorf("it is %v", err)
	}
	s.set(nil, token)
	if _, err := a.Authenticate(t.Context(), text); err != nil {
		t.Errorf("it is %v", err)
	}
}

// TestNewTokenInAnOutage: while the list can't be read nobody can tell whether an unknown token is
// a new one. It counts as soon as the list can be read.
func TestNewTokenInAnOutage(t *testing.T) {
	t.Parallel()
	var s store
	first, firstToken := staticToken("first", access.Admin)
	second, secondToken := staticToken("second", access.Admin)
	s.set(nil, firstToken)
	a := run(t, access.Config{Static: s.list}, func(a *access.Authenticator) {
		a.Pace(5*time.Millisecond, time.Millisecond)
	})
	if _, err := a.Authenticate(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	s.set(errors.New("no worker"))
	if _, err := a.Authenticate(t.Context(), second); !errors.Is(err, access.ErrUnavailable) {
		t.Errorf("it is %v", err)
	}
	s.set(nil, firstToken, secondToken)
	if _, err := a.Authenticate(t.Context(), second); err != nil {
		t.Errorf("after the outage: %v", err)
	}
	var refused access.RefusedError
	third, _ := staticToken("third", access.Admin)
	if _, err := a.Authenticate(t.Context(), third); !errors.As(err, &refused) {
		t.Errorf("one that isn't there: %v", err)
	}
}
