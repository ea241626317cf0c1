package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outset-settings/outset/pkg/store"
)

// token is a token with the least that it needs.
func token(id string) store.Token {
	return store.Token{
		ID: id, Name: "of " + id, Hash: bytes.Repeat([]byte{id[0]}, 32),
		Scopes: []string{"users:list"}, Application: "default",
	}
}

func createToken(t *testing.T, s *store.Store, token store.Token) store.Token {
	t.Helper()
	kept, err := s.CreateToken(t.Context(), token, time.Time{})
	if err != nil {
		t.Fatalf("creating %s: %v", token.ID, err)
	}
	return kept
}

// tokens returns the valid tokens.
func tokens(t *testing.T, s *store.Store) []store.Token {
	t.Helper()
	return read(t, s, store.Read{Tokens: true})[0].Tokens
}

// hasTokens fails the test unless exactly these are valid.
func hasTokens(t *testing.T, s *store.Store, ids ...string) {
	t.Helper()
	got := []string{}
	for _, token := range tokens(t, s) {
		got = append(got, token.ID)
	}
	slices.Sort(got)
	slices.Sort(ids)
	if !slices.Equal(got, ids) {
		t.Errorf("valid are %q, want %q", got, ids)
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	hasTokens(t, s)
	before := time.Now().Add(-time.Minute) // clocks may differ
	full := token("a1")
	full.Scopes = []string{"users:list", "settings:read"}
	full.CreatedBy = store.Actor{Kind: 2, Subject: "ci", Token: "z9"}
	full.Expires = time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
	kept := createToken(t, s, full)
	if kept.Created.Before(before) || !kept.LastUsed.IsZero() {
		t.Errorf("created at %v, last used at %v", kept.Created, kept.LastUsed)
	}
	full.Created = kept.Created
	if !reflect.DeepEqual(kept, full) {
		t.Errorf("kept as %+v\nwant %+v", kept, full)
	}
	if got := tokens(t, s); !reflect.DeepEqual(got, []store.Token{full}) {
		t.Errorf("listed are %+v\nwant %+v", got, full)
	}
	createToken(t, s, token("b2"))
	hasTokens(t, s, "a1", "b2")

	// Again, as after a lost answer.
	if again := createToken(t, s, full); !reflect.DeepEqual(again, full) {
		t.Errorf("created again: %+v", again)
	}
	other := full
	other.Hash = bytes.Repeat([]byte("o"), 32)
	if _, err := s.CreateToken(t.Context(), other, time.Time{}); !errors.Is(err, store.ErrIDReused) {
		t.Errorf("another token with the same id: %v", err)
	}

	for range 2 {
		if err := s.RevokeToken(t.Context(), "a1", time.Time{}); err != nil {
			t.Errorf("revoking: %v", err)
		}
		hasTokens(t, s, "b2")
	}
	if err := s.RevokeToken(t.Context(), "c3", time.Time{}); !errors.Is(err, store.ErrNoToken) {
		t.Errorf("revoking an unknown one: %v", err)
	}
}

func TestExpiredTokensAreNotListed(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	short := token("a1")
	short.Expires = time.Now().Add(time.Hour)
	createToken(t, s, short)
	createToken(t, s, token("b2"))
	hasTokens(t, s, "a1", "b2")
	exec(t, connect(t, url), `update tokens set expires_at = clock_timestamp() where id = 'a1'`)
	hasTokens(t, s, "b2")
}

// TestTooManyTokens: also when many are made side by side no more are valid than may be.
func TestTooManyTokens(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	conn := connect(t, url)
	exec(t, conn, `
		insert into tokens (id, name, hash, scopes, application, created_at, created_by_kind,
		                    created_by_subject, created_by_token)
		select 'old' || n, 'n', sha256(n::text::bytea), '{admin}', 'default', clock_timestamp(), 0,
		       '', ''
		from generate_series(1, $1::int) n`, store.MaxTokens-2)
	var refused atomic.Int64
	var creating sync.WaitGroup
	for i := range 8 {
		creating.Go(func() {
			_, err := s.CreateToken(t.Context(), token(fmt.Sprint("new", i)), time.Time{})
			for errors.Is(err, store.ErrUnavailable) && t.Context().Err() == nil { // lock timeout
				_, err = s.CreateToken(t.Context(), token(fmt.Sprint("new", i)), time.Time{})
			}
			switch {
			case errors.Is(err, store.ErrTooManyTokens):
				refused.Add(1)
			case err != nil:
				t.Errorf("creating: %v", err)
			}
		})
	}
	creating.Wait()
	if n := len(tokens(t, s)); n != store.MaxTokens || refused.Load() != 6 {
		t.Errorf("%d are valid and %d were refused, want %d and 6", n, refused.Load(),
			store.MaxTokens)
	}
	if err := s.RevokeToken(t.Context(), "old1", time.Time{}); err != nil {
		t.Fatal(err)
	}
	createToken(t, s, token("x1"))
	// Those of the configuration have room beside them.
	admin := token("admin1")
	if err := s.ConfigureToken(t.Context(), "admin", &admin); err != nil {
		t.Fatal(err)
	}
	if n := len(tokens(t, s)); n != store.MaxTokens+1 {
		t.Errorf("%d are valid, want %d", n, store.MaxTokens+1)
	}
}

func TestUsedTokens(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	createToken(t, s, token("a1"))
	createToken(t, s, token("b2"))
	first := time.Now().Add(-time.Hour).UTC().Truncate(time.Millisecond)
	used := func(uses ...store.TokenUse) {
		t.Helper()
		if err := s.UsedTokens(t.Context(), uses); err != nil {
			t.Fatal(err)
		}
	}
	want := func(a, b time.Time) {
		t.Helper()
		got := tokens(t, s)
		if !got[0].LastUsed.Equal(a) || !got[1].LastUsed.Equal(b) {
			t.Errorf("last used at %v and %v, want %v and %v", got[0].LastUsed, got[1].LastUsed, a,
				b)
		}
	}
	want(time.Time{}, time.Time{})
	used(store.TokenUse{ID: "a1", Time: first}, store.TokenUse{ID: "unknown", Time: first})
	want(first, time.Time{})
	used(store.TokenUse{ID: "a1", Time: first.Add(-time.Minute)}) // it only grows
	want(first, time.Time{})
	later := first.Add(time.Minute)
	used(store.TokenUse{ID: "b2", Time: first}, store.TokenUse{ID: "a1", Time: first},
		store.TokenUse{ID: "a1", Time: later}, store.TokenUse{ID: "a1", Time: first})
	want(later, first)
	// A clock that is ahead doesn't hide later uses for ever.
	used(store.TokenUse{ID: "a1", Time: time.Now().Add(100 * time.Hour)})
	if got := tokens(t, s)[0].LastUsed; got.After(time.Now().Add(time.Hour)) {
		t.Errorf("used in the future: %v", got)
	}
}

// TestUsedTokensSideBySide: APIs report the same tokens at the same time, and no report fails.
func TestUsedTokensSideBySide(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	var uses []store.TokenUse
	first := time.Now().Add(-time.Hour)
	for i := range 20 {
		id := fmt.Sprint("t", i)
		createToken(t, s, token(id))
		uses = append(uses, store.TokenUse{ID: id, Time: first})
	}
	var reporting sync.WaitGroup
	for i := range 4 {
		reporting.Go(func() {
			mine := slices.Clone(uses)
			if i%2 == 0 {
				slices.Reverse(mine)
			}
			for n := range 20 {
				for j := range mine {
					mine[j].Time = mine[j].Time.Add(time.Duration(n) * time.Second)
				}
				err := s.UsedTokens(t.Context(), mine)
				for errors.Is(err, store.ErrUnavailable) && t.Context().Err() == nil {
					err = s.UsedTokens(t.Context(), mine) // a lock timeout on a busy machine
				}
				if err != nil {
					t.Errorf("reporting: %v", err)
				}
			}
		})
	}
	reporting.Wait()
	last := first.Add(190 * time.Second)
	for _, token := range tokens(t, s) {
		if d := token.LastUsed.Sub(last); d < -time.Millisecond || d > time.Millisecond {
			t.Errorf("%s was last used at %v, want %v", token.ID, token.LastUsed, last)
		}
	}
}

// TestConfigureToken: a token of the configuration is valid as long as it is configured.
func TestConfigureToken(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	createToken(t, s, token("b2"))
	configure := func(token *store.Token, want ...string) {
		t.Helper()
		for range 2 { // each worker does
			if err := s.ConfigureToken(t.Context(), "admin", token); err != nil {
				t.Fatal(err)
			}
		}
		hasTokens(t, s, append(want, "b2")...)
	}
	one, two := token("admin1"), token("admin2")
	configure(nil)
	configure(&one, "admin1")
	configure(&two, "admin2")
	configure(&one, "admin1") // back again
	configure(nil)
}

// TestTokensWithLostAnswers: a token is created once, whichever answer of the database is lost.
func TestTokensWithLostAnswers(t *testing.T) {
	t.Parallel()
	_, url := open(t)
	for skipped := range 8 {
		w, address := onWire(t, url)
		s := reopen(t, address)
		tokens(t, s) // it is connected
		w.loseAnswerAfter(skipped)
		id := fmt.Sprint("t", skipped)
		if kept := createToken(t, s, token(id)); kept.ID != id {
			t.Errorf("with the answer %d lost: %+v", skipped, kept)
		}
	}
	s := reopen(t, url)
	if n := len(tokens(t, s)); n != 8 {
		t.Errorf("%d tokens, want 8", n)
	}
}

// TestTokensPastDeadline: nothing is made or revoked from the deadline on. What was done in time
// stays done, also for whoever asks again.
func TestTokensPastDeadline(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	past, later := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if _, err := s.CreateToken(t.Context(), token("a1"), past); !errors.Is(err, store.ErrExpired) {
		t.Errorf("created past its deadline: %v", err)
	}
	hasTokens(t, s)
	for _, deadline := range []time.Time{later, past, time.UnixMilli(math.MaxInt64)} {
		kept, err := s.CreateToken(t.Context(), token("a1"), deadline)
		if err != nil || kept.ID != "a1" {
			t.Errorf("created until %v: %+v, %v", deadline, kept, err)
		}
	}
	if err := s.RevokeToken(t.Context(), "a1", past); !errors.Is(err, store.ErrExpired) {
		t.Errorf("revoked past its deadline: %v", err)
	}
	hasTokens(t, s, "a1")
	for _, deadline := range []time.Time{later, past} {
		if err := s.RevokeToken(t.Context(), "a1", deadline); err != nil {
			t.Errorf("revoked until %v: %v", deadline, err)
		}
	}
	hasTokens(t, s)
}

// TestTokensPausedPastDeadline: a deadline that passes between its check and the commit counts.
func TestTokensPausedPastDeadline(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	createToken(t, s, token("b2"))
	deadline := time.Now().Add(time.Second)
	conn := connect(t, url)
	exec(t, conn, fmt.Sprintf(`
		create function pause() returns trigger language plpgsql as $$
		begin
			while clock_timestamp() <= '%s' loop
				perform pg_sleep(0.01);
			end loop;
			return new;
		end $$`, deadline.UTC().Format(time.RFC3339Nano)))
	exec(t, conn, `
		create trigger pause before insert or update on tokens
		for each row execute function pause()`)
	var both sync.WaitGroup
	both.Go(func() {
		_, err := s.CreateToken(t.Context(), token("a1"), deadline)
		for errors.Is(err, store.ErrUnavailable) { // it waited for the other's lock
			_, err = s.CreateToken(t.Context(), token("a1"), deadline)
		}
		if !errors.Is(err, store.ErrExpired) {
			t.Errorf("created past its deadline: %v", err)
		}
	})
	both.Go(func() {
		err := s.RevokeToken(t.Context(), "b2", deadline)
		for errors.Is(err, store.ErrUnavailable) {
			err = s.RevokeToken(t.Context(), "b2", deadline)
		}
		if !errors.Is(err, store.ErrExpired) {
			t.Errorf("revoked past its deadline: %v", err)
		}
	})
	both.Wait()
	hasTokens(t, s, "b2")
}

// TestActors: the log has who made each version, whichever way the write went.
func TestActors(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	user, service := store.Actor{Kind: 1, Token: "j1"}, store.Actor{Kind: 2, Subject: "ci, 日本"}
	by := func(w store.Write, a store.Actor) store.Write {
		w.Actor = a
		return w
	}
	var many []store.Write // one statement for all
	for i := range 20 {
		many = append(many, by(replace(t, fmt.Sprint("user", i), "1", `{}`),
			[]store.Actor{user, service, {}}[i%3]))
	}
	write(t, s, many...)
	write(t, s, many[0:1]...)                                     // a repetition
	write(t, s, by(replace(t, "user0", "2", `{"a":1}`), service)) // alone
	write(t, s, by(remove("user0", "3"), user))                   // a transaction
	write(t, s, by(restore("user0", "4", 1), service), by(remove("user1", "5"), user))
	history := func(user string) []store.Actor {
		t.Helper()
		var all []store.Actor
		found := read(t, s, store.Read{User: user, History: &store.Page{Limit: 10}})
		for _, e := range found[0].Entries {
			all = append(all, e.Actor)
		}
		return all
	}
	for id, want := range map[string][]store.Actor{
		"user0": {service, user, service, user}, "user1": {user, service}, "user2": {{}},
		"user4": {service},
	} {
		if got := history(id); !slices.Equal(got, want) {
			t.Errorf("%s: %+v, want %+v", id, got, want)
		}
	}
	write(t, s, by(erase("user0", "6"), service), by(replace(t, "user0", "7", `{}`), user))
	if got := history("user0"); !slices.Equal(got, []store.Actor{user}) {
		t.Errorf("after an erasure: %+v", got)
	}
	var erasedBy string
	if err := connect(t, url).QueryRow(t.Context(), `
		select actor_subject from settings_log where user_id = 'user0' and operation = 'erase'`,
	).Scan(&erasedBy); err != nil || erasedBy != service.Subject {
		t.Errorf("erased by %q, %v", erasedBy, err)
	}
}
